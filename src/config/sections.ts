import { didYouMean } from './did-you-mean.js';
import { shown } from './kinds.js';
import { globalSettings, vipSettings } from './schema.js';

export type Path = readonly (string | number)[];

/** The settings that a file gives, by path within the file or within the VIP; what is left out or empty is not there. */
export interface FileValues {
  readonly global: ReadonlyMap<string, unknown>;
  readonly vips: readonly ReadonlyMap<string, unknown>[];
}

/** Sorts the plain data of a file into settings. `refuse` hears of every key that is none, and of sections that are not maps. */
export function sortFileValues(data: unknown, refuse: (path: Path, message: string) => void): FileValues {
  const vips: ReadonlyMap<string, unknown>[] = [];
  const global = new Map<string, unknown>();
  const root = asMap(data, [], refuse);
  const given = root.get('vips');
  if (Array.isArray(given)) {
    given.forEach((vip: unknown, index) => {
      const values = new Map<string, unknown>();
      vips.push(values);
      collect(asMap(vip, ['vips', index], refuse), ['vips', index], '', Object.keys(vipSettings), values, refuse);
    });
  } else if (given !== undefined && given !== null) {
    refuse(['vips'], `${shown(given)} is not a list; write each VIP as an item of a list`);
  }
  root.delete('vips');
  collect(root, [], '', [...Object.keys(globalSettings), 'vips'], global, refuse);
  return { global, vips };
}

function collect(
  section: ReadonlyMap<string, unknown>,
  at: Path,
  prefix: string,
  settings: readonly string[],
  values: Map<string, unknown>,
  refuse: (path: Path, message: string) => void,
): void {
  const here = settings.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('.'));
  const leaves = new Set(here.filter((path) => path.length === 1).map(([key]) => key));
  const sections = new Set(here.filter((path) => path.length > 1).map(([key]) => key));
  for (const [key, value] of section) {
    const path = prefix + key;
    if (leaves.has(key)) {
      if (value !== undefined && value !== null) values.set(path, value);
    } else if (sections.has(key)) {
      collect(asMap(value, [...at, key], refuse), [...at, key], `${path}.`, settings, values, refuse);
    } else {
      const known = [...leaves, ...sections].filter((name) => name !== undefined);
      refuse([...at, key], `no such key${didYouMean(key, known) || `; known here: ${known.join(', ')}`}`);
    }
  }
}

/** The entries of a section; none for an empty one, or for what is not a map. */
function asMap(value: unknown, path: Path, refuse: (path: Path, message: string) => void): Map<string, unknown> {
  if (value === undefined || value === null) return new Map();
  if (typeof value === 'object' && !Array.isArray(value)) return new Map(Object.entries(value));
  refuse(path, `${shown(value)} is not a section; write its keys below it`);
  return new Map();
}
