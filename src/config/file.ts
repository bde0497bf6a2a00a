import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export interface Position {
  readonly line: number;
  readonly column: number;
}

export type Path = readonly (string | number)[];

/** A configuration file as plain data, and where in its text things stand. */
export interface ConfigFile {
  readonly data: unknown;
  /** Where the key (or the list's entry) at `path` stands; for what is not there, the nearest that holds it. */
  positionOf(path: Path): Position;
  readonly syntaxProblems: readonly { readonly position: Position; readonly message: string }[];
}

/** Reads YAML 1.2 (so JSON too). Never throws: what is wrong is in `syntaxProblems`, and then `data` is undefined. */
export function parseConfigFile(text: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const syntaxProblems = [...document.errors, ...document.warnings].map((error) => ({
    position: position(error.pos[0]),
    message: `${firstLine(error.message)}; mend the YAML`,
  }));
  let data: unknown;
  if (syntaxProblems.length === 0) {
    try {
      data = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      syntaxProblems.push({ position: position(0), message: `${firstLine((error as Error).message)}; mend the YAML` });
    }
  }
  return {
    data,
    syntaxProblems,
    positionOf(path) {
      let offset = document.contents?.range?.[0] ?? 0;
      let node: Node | null | undefined = document.contents;
      for (const step of path) {
        if (isAlias(node)) node = node.resolve(document);
        let child: unknown;
        if (isMap(node)) {
          const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
          if (!isScalar(pair?.key)) break;
          offset = pair.key.range?.[0] ?? offset;
          child = pair.value;
        } else if (isSeq(node)) {
          child = node.items[Number(step)];
          if (!isNode(child)) break;
          offset = child.range?.[0] ?? offset;
        }
        node = isNode(child) ? child : undefined;
      }
      return position(offset);
    },
  };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
