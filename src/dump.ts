import type { Settings } from './config/settings.js';

/** The settings in force, with what only their owner should know left out. */
export function withoutSecrets(settings: Settings): Settings {
  const vips = settings.vips.map((vip) => {
    const { vrrp } = vip.election;
    const authPass = vrrp.authPass === '' ? '' : '(set)';
    return { ...vip, election: { ...vip.election, vrrp: { ...vrrp, authPass } } };
  });
  return { ...settings, vips };
}

/** One line of JSON, whatever state is made of; `undefined` shows as null, so that its name is seen. */
export function dumpLine(document: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(document, (_, value: unknown) => plain(value))}\n`;
}

function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return value.message;
  return value;
}
