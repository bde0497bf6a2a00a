import type { Effective } from '../config/load.js';
import { environmentName } from '../config/schema.js';

/** An environment variable of a container. */
export interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

/**
 * What was given by flags, vipd's own or kube-vip's, and by the environment, as vipd's own variables: those of a container can be edited
 * and patched one by one. What a file says stays there, and a setting's own default stays unsaid. An empty variable counts as none, so
 * none is written.
 * @param without paths of global settings that the manifest says in another way
 */
export function variablesOf({ global, vips }: Effective, without: readonly string[]): readonly Variable[] {
  const entries = [
    ...(vips[0]?.values() ?? []),
    ...[...global].flatMap(([path, e]) => (without.includes(path) ? [] : e)),
  ];
  return entries
    .filter(({ origin, setting }) =>
      origin.kind === 'default' ? origin.words !== setting.defaultWords : origin.kind !== 'file',
    )
    .map(({ setting, raw }) => ({ name: environmentName(setting.flag), value: textOf(raw) }))
    .filter(({ value }) => value !== '');
}

/** The text that `Kind.fromText` reads: items joined by commas, `{ name, address }` as `name=address`. */
function textOf(raw: unknown): string {
  if (Array.isArray(raw)) return raw.map(textOf).join(',');
  if (typeof raw === 'object' && raw !== null) return Object.values(raw).map(String).join('=');
  return raw === undefined || raw === null ? '' : String(raw);
}
