import { Document, isCollection, isNode } from 'yaml';
import type { Entries, Entry } from './entry.js';
import type { Effective } from './load.js';

/**
 * The settings in force as a file that gives the same again, each line with where its value comes from:
 * `# from flag --address`, `# from environment VIPD_ADDRESS`, `# from vipd.yaml:3:5`, `# from default`. Secrets are among them: a
 * file without them would not give the same.
 */
export function printSettings(effective: Effective): string {
  const document = new Document({});
  const put = (at: readonly (string | number)[], entries: Entries) => {
    for (const [path, entry] of entries) {
      const node = document.createNode(entry.raw ?? null);
      if (isCollection(node)) node.flow = true;
      if (isNode(node)) node.comment = ` from ${originText(entry)}`;
      document.setIn([...at, ...path.split('.')], node);
    }
  };
  // In the order in which people write them: what the node is, its VIPs, what is around.
  const isIdentity = (path: string) => path.startsWith('node.') || path.startsWith('kubernetes.');
  put([], new Map([...effective.global].filter(([path]) => isIdentity(path))));
  document.set('vips', document.createNode(effective.vips.map(() => ({}))));
  effective.vips.forEach((entries, index) => {
    put(['vips', index], entries);
  });
  put([], new Map([...effective.global].filter(([path]) => !isIdentity(path))));
  return document.toString({ lineWidth: 0, nullStr: '' });
}

function originText({ origin }: Entry): string {
  switch (origin.kind) {
    case 'flag':
    case 'environment':
      return `${origin.kind} ${origin.name}`;
    case 'file':
      return `${origin.file}:${origin.position.line}:${origin.position.column}`;
    case 'pod':
      return "the pod's service account";
    case 'default':
      return origin.words === undefined ? 'default' : `default: ${origin.words}`;
  }
}
