import { type Millis, millis } from '../time/instant.js';
import { type Entries, type Entry, valuesOf } from './entry.js';
import type { ValuesOf, vipSettings } from './schema.js';

type VipValues = Partial<ValuesOf<typeof vipSettings>>;
type VipPath = keyof typeof vipSettings;

const httpsDefaults = { path: '/readyz', aliveStatuses: [200, 401], insecure: false };
const fastInterval = millis(500);

/**
 * Adds to the settings of a VIP the defaults that depend on others of its settings. Those of https checks are not there when checks
 * are tcp, so that one that was written can be told.
 */
export function deriveDefaults(entries: ReadonlyMap<string, Entry>): Entries {
  const derived = new Map(entries);
  const values = (): VipValues => valuesOf<typeof vipSettings>(derived);
  const put = (path: VipPath, raw: unknown, value = raw): void => {
    const entry = derived.get(path);
    if (entry !== undefined && entry.raw === undefined) derived.set(path, { ...entry, raw, value });
  };
  const { 'loadBalancer.ports': ports, 'loadBalancer.backends.from': from } = values();
  if (from === 'nodes') put('loadBalancer.backends.port', ports?.[0]);
  if (from !== undefined) put('loadBalancer.healthCheck.type', from === 'nodes' ? 'https' : 'tcp');
  const { 'loadBalancer.healthCheck.type': type, 'loadBalancer.healthCheck.interval': interval } = values();
  if (type === 'https') {
    for (const [key, value] of Object.entries(httpsDefaults)) {
      put(`loadBalancer.healthCheck.${key as keyof typeof httpsDefaults}`, value);
    }
  }
  if (interval !== undefined) {
    const value = Math.min(interval, fastInterval) as Millis;
    put('loadBalancer.healthCheck.fastInterval', `${value}ms`, value);
  }
  return derived;
}
