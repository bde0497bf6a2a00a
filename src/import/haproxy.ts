import type { Found, Place, Remarks, SourceText } from './found.js';
import { backendOf } from './haproxy-backend.js';
import { type Line, parseSections, type Section } from './haproxy-lines.js';
import { listensOf, type ProxySection, readProxy, remarkOnLines } from './haproxy-proxy.js';
import { globalReasons } from './haproxy-reasons.js';
import type { Service } from './service.js';

/**
 * Reads haproxy.cfg: every frontend with its backend, and every listen, in TCP mode. What is not TCP is remarked upon as a whole.
 * @throws Unreadable where a quote is not closed
 */
export function readHaproxy({ file, text }: SourceText, remarks: Remarks): readonly Service[] {
  const { sections, loose } = parseSections(file, text);
  for (const { place, words } of loose)
    remarks.notCarried(place, words, 'it stands before the first section, where HAProxy refuses it');
  let verifiesNothing = false;
  for (const { words, lines } of sections) {
    if (words[0] !== 'global') continue;
    for (const line of lines) {
      if (line.words[0] === 'ssl-server-verify' && line.words[1] === 'none') verifiesNothing = true;
      else
        remarks.notCarried(
          line.place,
          line.words,
          globalReasons.get(line.words[0] ?? '') ?? 'vipd has nothing like it',
        );
    }
  }
  const proxies = readProxies(sections, remarks);
  const used = new Set<ProxySection>();
  const services = proxies.flatMap((proxy) => {
    const service = serviceOf(proxy, proxies, used, verifiesNothing, remarks);
    return service === undefined ? [] : [service];
  });
  for (const proxy of proxies) {
    if (proxy.kind === 'backend' && !used.has(proxy))
      remarks.notCarried(proxy.place, proxy.words, 'nothing that is carried over hands connections to it');
  }
  for (const { place, words, lines } of sections) {
    if (words[0] !== 'defaults') continue;
    const isUsed = [...used].some(({ lines: read }) => lines.some((line) => read.includes(line)));
    if (lines.length > 0 && !isUsed) remarks.notCarried(place, words, 'nothing that is carried over takes them');
  }
  return services;
}

/** Every frontend, backend and listen with the lines that it inherits before its own. */
function readProxies(sections: readonly Section[], remarks: Remarks): ProxySection[] {
  const proxies: ProxySection[] = [];
  const defaults = new Map<string, readonly Line[]>();
  let latest: readonly Line[] = [];
  for (const { place, words, lines } of sections) {
    const [keyword = '', name = ''] = words;
    const inherited = words[2] === 'from' ? defaults.get(words[3] ?? '') : latest;
    switch (keyword) {
      case 'global':
        break;
      case 'defaults':
        latest = words[2] === 'from' ? [...(inherited ?? []), ...lines] : lines;
        if (name !== '') defaults.set(name, latest);
        break;
      case 'frontend':
      case 'backend':
      case 'listen':
        proxies.push(readProxy(keyword, place, words, [...(inherited ?? []), ...lines]));
        break;
      default:
        remarks.notCarried(place, words, 'vipd has nothing like this section');
    }
  }
  return proxies;
}

/** Undefined when `proxy` is a backend, or cannot be carried over. */
function serviceOf(
  proxy: ProxySection,
  proxies: readonly ProxySection[],
  used: Set<ProxySection>,
  verifiesNothing: boolean,
  remarks: Remarks,
): Service | undefined {
  if (proxy.kind === 'backend') return undefined;
  const refuse = (because: string, at: Place = proxy.place, words = proxy.words): undefined => {
    remarks.notCarried(at, words, `${because}; nothing of this ${proxy.kind} is`);
    return undefined;
  };
  if (proxy.mode !== 'tcp') return refuse(`vipd balances TCP, and this is mode ${proxy.mode}`);
  const tls = proxy.lines.find(({ words }) => words[0] === 'bind' && words.includes('ssl'));
  if (tls !== undefined) return refuse('vipd hands TLS through and ends none', tls.place, tls.words);
  let backend: ProxySection | undefined = proxy;
  if (
    proxy.kind === 'frontend' ||
    (proxy.defaultBackend !== undefined && !proxy.lines.some(({ words }) => words[0] === 'server'))
  ) {
    const wanted: Found<string> | undefined = proxy.defaultBackend;
    if (wanted === undefined) return refuse('it has no default_backend');
    backend = proxies.find(({ kind, words }) => kind !== 'frontend' && words[1] === wanted.value);
    if (backend === undefined)
      return refuse('no backend has this name', wanted.place, ['default_backend', wanted.value]);
  }
  if (backend.mode !== 'tcp')
    return refuse(`vipd balances TCP, and its backend ${backend.words[1]} is mode ${backend.mode}`);
  used.add(proxy);
  used.add(backend);
  remarkOnLines(proxy, remarks);
  if (backend !== proxy) remarkOnLines(backend, remarks);
  return {
    name: { value: proxy.words[1] ?? '', place: proxy.place },
    listens: listensOf(proxy, remarks),
    ...backendOf(backend, verifiesNothing, remarks),
  };
}
