import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import { type Found, type Place, type SourceText, Unreadable } from './found.js';

/** A container of kube-vip: what it is started with. */
export interface Container {
  readonly place: Place;
  readonly args: readonly Found<string>[];
  /** A value that the cluster fills in (`valueFrom`) is undefined. */
  readonly environment: readonly { readonly name: Found<string>; readonly value: string | undefined }[];
}

/**
 * Finds the containers of kube-vip in manifests of Pods, DaemonSets and whatever has a pod template.
 * @throws Unreadable where it is not YAML
 */
export function readManifests({ file, text }: SourceText): Container[] {
  const lines = new LineCounter();
  const place = (offset: number | undefined): Place => ({ file, line: Math.max(1, lines.linePos(offset ?? 0).line) });
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  } catch (error) {
    // The parser calls itself for each level: the stack ends before a hostile file does.
    throw new Unreadable(place(0), `${(error as Error).message}; mend the YAML`);
  }
  const containers: Container[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined)
      throw new Unreadable(place(error.pos[0]), `${error.message.split('\n', 1)[0]}; mend the YAML`);
    for (const path of [
      ['spec', 'containers'],
      ['spec', 'template', 'spec', 'containers'],
    ]) {
      const list = isMap(document.contents) ? document.contents.getIn(path, true) : undefined;
      for (const item of isSeq(list) ? list.items : []) {
        if (!isMap(item)) continue;
        const isKubeVip = item.get('name') === 'kube-vip' || /(^|\/)kube-vip(:|@|$)/.test(String(item.get('image')));
        if (isKubeVip) containers.push(readContainer(item, place));
      }
    }
  }
  return containers;
}

function readContainer(
  container: { get(key: string, keep: true): unknown; range?: unknown },
  place: (offset: number | undefined) => Place,
): Container {
  const words = (key: string): Found<string>[] => {
    const list = container.get(key, true);
    return (isSeq(list) ? list.items : []).flatMap((item) =>
      isScalar(item) ? [{ value: String(item.value), place: place(item.range?.[0]) }] : [],
    );
  };
  const env = container.get('env', true);
  const environment = (isSeq(env) ? env.items : []).flatMap((item) => {
    if (!isMap(item)) return [];
    const value = item.get('value', true);
    const name = { value: String(item.get('name')), place: place(item.range?.[0]) };
    return [{ name, value: isScalar(value) ? String(value.value ?? '') : undefined }];
  });
  const range = container.range as readonly number[] | null | undefined;
  return { place: place(range?.[0]), args: [...words('command'), ...words('args')], environment };
}
