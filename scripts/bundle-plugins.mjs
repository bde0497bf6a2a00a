// What keeps the bundle small, and the daemon with it: docs/decisions/0017-footprint.md.

/**
 * Of @kubernetes/client-node only what is used: its files do nothing but define, though its package.json does not say so. node-fetch
 * (with the Unicode tables of its URL parser) is for its own HTTP, which vipd never calls.
 */
export const leaveOutUnused = {
  name: 'leave-out-unused',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^(@kubernetes\/client-node$|\.)/ }, async ({ path, pluginData, ...args }) => {
      const isTheirs = path.startsWith('@') || args.importer.includes('/node_modules/@kubernetes/client-node/');
      if (pluginData === 'seen' || !isTheirs) return undefined;
      return { ...(await resolve(path, { ...args, pluginData: 'seen' })), sideEffects: false };
    });
    onResolve({ filter: /^node-fetch$/ }, ({ path }) => ({ path, namespace: 'unused', sideEffects: false }));
    onLoad({ filter: /./, namespace: 'unused' }, () => ({
      contents:
        "export class Headers {}; export class AbortError {}; export class FetchError {}; export default 'unused';",
    }));
  },
};

/** CommonJS packages of which few daemons need anything, and the classes and functions imported from them. */
const rare = {
  // For a cluster's proxy-url.
  'socks-proxy-agent': ['SocksProxyAgent'],
  hpagent: ['HttpProxyAgent', 'HttpsProxyAgent'],
  // For tokens of an auth-provider's program.
  'jsonpath-plus': ['JSONPath'],
};

/** Their code is evaluated when the first of them is made or called, not at the start. */
export const evaluateWhenUsed = {
  name: 'evaluate-when-used',
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(${Object.keys(rare).join('|')})$`);
    onResolve({ filter }, ({ path, kind, resolveDir }) =>
      kind === 'import-statement' ? { path, namespace: 'rare', pluginData: resolveDir, sideEffects: false } : undefined,
    );
    onLoad({ filter: /./, namespace: 'rare' }, ({ path, pluginData }) => ({
      resolveDir: pluginData,
      contents: rare[path].map((name) => standIn(name, `require('${path}').${name}`)).join('\n'),
    }));
  },
};

/** A constructor that returns an object makes `new` give that one. */
function standIn(name, real) {
  return `export function ${name}(...args) { return new.target ? new (${real})(...args) : ${real}(...args); }`;
}
