import type { Position } from './file.js';
import type { Setting, SettingsTable, ValuesOf } from './schema.js';

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'flag'; readonly name: string }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'file'; readonly file: string; readonly position: Position }
  /** The namespace of the pod's service account. */
  | { readonly kind: 'pod' }
  | { readonly kind: 'default'; readonly words: string | undefined };

/** A setting with its value in force. */
export interface Entry {
  readonly setting: Setting<unknown>;
  /** As the file would write it; undefined when it is not set and has no default. */
  readonly raw: unknown;
  /** Undefined also when what was written is refused. */
  readonly value: unknown;
  readonly origin: Origin;
}

export type Entries = ReadonlyMap<string, Entry>;

/** Every value of a table by its path, with the types of the table. */
export function valuesOf<Table extends SettingsTable>(entries: Entries): Partial<ValuesOf<Table>> {
  return Object.fromEntries([...entries].map(([path, entry]) => [path, entry.value])) as Partial<ValuesOf<Table>>;
}
