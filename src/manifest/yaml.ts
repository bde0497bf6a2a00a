import { Document, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';

/** A part of a manifest that wants a word of explanation: where it is, and the comment above it. */
export type Remark = readonly [path: readonly (string | number)[], text: string];

export interface Resource {
  /** Plain data; keys whose value is undefined are left out. */
  readonly value: object;
  readonly remarks?: readonly Remark[];
}

/** The resources as one YAML stream, below a comment. Kubernetes reads YAML 1.1, where a bare `off` is no text. */
export function yamlText(head: string, resources: readonly Resource[]): string {
  const texts = resources.map(({ value, remarks = [] }) => {
    const document = new Document(value, { keepUndefined: false, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
    for (const [path, text] of remarks) commentAbove(document, path, text);
    for (const flow of ['args', 'verbs', 'apiGroups', 'resources', 'resourceNames', 'add', 'drop'])
      inOneLine(document.contents, flow);
    return document.toString({ lineWidth: 0, flowCollectionPadding: false });
  });
  return `${commented(head)}${texts.join('---\n')}`;
}

function commentAbove(document: Document, path: readonly (string | number)[], text: string): void {
  const parent = document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const found = isMap(parent)
    ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === last)?.key
    : isSeq(parent) && typeof last === 'number'
      ? parent.items[last]
      : undefined;
  if (isScalar(found) || isMap(found)) found.commentBefore = ` ${text.replaceAll('\n', '\n ')}`;
}

/** Short lists of words are easier to read in one line. */
function inOneLine(node: unknown, key: string): void {
  if (isSeq(node)) for (const item of node.items) inOneLine(item, key);
  if (!isMap(node)) return;
  for (const { key: name, value } of node.items as Pair<Node, Node>[]) {
    if (isScalar(name) && name.value === key && isSeq(value)) value.flow = true;
    else inOneLine(value, key);
  }
}

function commented(text: string): string {
  return text
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('');
}
