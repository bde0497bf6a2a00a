import { isDeepStrictEqual } from 'node:util';
import type { Entries, Entry } from './entry.js';
import type { LoadedSettings } from './load.js';
import type { globalSettings, vipSettings } from './schema.js';
import type { LogLevel, VipSettings } from './settings.js';

export type SettingPath = keyof typeof globalSettings | keyof typeof vipSettings;

/** What a running daemon does about each setting that a reread file changes. */
const treatments: { readonly [Path in SettingPath]: 'in-place' | 'restart' } = {
  'node.name': 'restart',
  'kubernetes.kubeconfig': 'restart',
  'kubernetes.server': 'restart',
  'kubernetes.nodeLabel': 'restart',
  'kubernetes.events': 'restart',
  'metrics.listen': 'restart',
  'health.listen': 'restart',
  'proxy.threads': 'restart',
  'admin.socket': 'restart',
  'log.level': 'in-place',
  'log.format': 'restart',
  name: 'restart',
  addresses: 'restart',
  dnsMode: 'restart',
  dnsInterval: 'restart',
  interface: 'restart',
  'election.type': 'restart',
  'election.lease.namespace': 'restart',
  'election.lease.name': 'restart',
  'election.lease.duration': 'restart',
  'election.lease.renewDeadline': 'restart',
  'election.lease.retryPeriod': 'restart',
  'election.lease.annotations': 'in-place',
  'election.vrrp.version': 'restart',
  'election.vrrp.virtualRouterId': 'restart',
  'election.vrrp.priority': 'in-place',
  'election.vrrp.advertInterval': 'in-place',
  'election.vrrp.preempt': 'in-place',
  'election.vrrp.preemptDelay': 'in-place',
  'election.vrrp.authPass': 'in-place',
  'election.vrrp.unicastSource': 'restart',
  'election.vrrp.unicastPeers': 'restart',
  'election.vrrp.checksum': 'in-place',
  'election.vrrp.trackWeight': 'in-place',
  'election.vrrp.track.interfaces': 'in-place',
  'election.vrrp.track.scripts': 'in-place',
  'election.vrrp.notify.master': 'in-place',
  'election.vrrp.notify.backup': 'in-place',
  'election.vrrp.notify.fault': 'in-place',
  'election.vrrp.notify.stop': 'in-place',
  'election.vrrp.notify.all': 'in-place',
  'election.onApiLoss': 'restart',
  'announce.burst': 'in-place',
  'announce.interval': 'in-place',
  deadManSwitch: 'restart',
  'loadBalancer.mode': 'restart',
  'loadBalancer.ports': 'in-place',
  'loadBalancer.scheduler': 'in-place',
  'loadBalancer.backends.from': 'restart',
  'loadBalancer.backends.port': 'in-place',
  'loadBalancer.backends.servers': 'in-place',
  'loadBalancer.healthCheck.type': 'in-place',
  'loadBalancer.healthCheck.path': 'in-place',
  'loadBalancer.healthCheck.aliveStatuses': 'in-place',
  'loadBalancer.healthCheck.ca': 'in-place',
  'loadBalancer.healthCheck.serverName': 'in-place',
  'loadBalancer.healthCheck.insecure': 'in-place',
  'loadBalancer.healthCheck.interval': 'in-place',
  'loadBalancer.healthCheck.fastInterval': 'in-place',
  'loadBalancer.healthCheck.timeout': 'in-place',
  'loadBalancer.healthCheck.fall': 'in-place',
  'loadBalancer.healthCheck.rise': 'in-place',
  'loadBalancer.connectTimeout': 'in-place',
  'loadBalancer.proxyProtocol': 'in-place',
  'loadBalancer.whenBackendDown': 'in-place',
};

/** Whether `vipd reload` applies a change of the setting; else it takes a restart. */
export function isAppliedInPlace(path: SettingPath): boolean {
  return treatments[path] === 'in-place';
}

export interface SettingChange {
  readonly path: SettingPath;
  /** As a file would write them; `not set` for none, `(secret)` and `(changed)` for what is told to nobody. */
  readonly from: string;
  readonly to: string;
}

/** A VIP of which something is to be changed in place. */
export interface VipChange {
  readonly name: string;
  /** All its settings, the new values among them. */
  readonly settings: VipSettings;
  readonly changed: readonly SettingChange[];
}

export type Changes =
  | {
      readonly ok: true;
      readonly vips: readonly VipChange[];
      /** Undefined when it stays. */
      readonly logLevel: LogLevel | undefined;
      /** What changes, a line each; empty when nothing does. */
      readonly lines: readonly string[];
    }
  /** Something takes a restart, and so nothing may be changed: a line for each such setting, with the mend. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** What must be done to go from the settings in force to the reread ones. VIPs are known by their names. */
export function findChanges(before: LoadedSettings, after: LoadedSettings): Changes {
  const problems: string[] = [];
  const lines: string[] = [];
  const compare = (owner: string, old: Entries, young: Entries): readonly SettingChange[] => {
    const changed: SettingChange[] = [];
    for (const { change, entry } of differences(old, young)) {
      const line = `${owner}${change.path}: ${change.from} → ${change.to}`;
      if (isAppliedInPlace(change.path)) {
        changed.push(change);
        lines.push(line);
      } else {
        problems.push(`${place(entry)}${line} cannot be applied in place; ${mend}`);
      }
    }
    return changed;
  };

  compare('', before.effective.global, after.effective.global);
  const old = vipsByName(before);
  const young = vipsByName(after);
  for (const name of old.keys()) {
    if (!young.has(name)) problems.push(`vips: ${name} is gone, which cannot be applied in place; ${mend}`);
  }
  const vips: VipChange[] = [];
  for (const [name, { entries, settings }] of young) {
    const known = old.get(name);
    if (known === undefined) {
      const entry = entries.get('name');
      problems.push(`${place(entry)}vips: ${name} is new, which cannot be applied in place; ${mend}`);
      continue;
    }
    const changed = compare(`${name}: `, known.entries, entries);
    if (changed.length > 0) vips.push({ name, settings, changed });
  }
  if (problems.length > 0) return { ok: false, problems };
  const { level } = after.settings.log;
  return { ok: true, vips, logLevel: level === before.settings.log.level ? undefined : level, lines };
}

const mend = 'restart vipd to apply it';

interface NamedVip {
  readonly settings: VipSettings;
  readonly entries: Entries;
}

function vipsByName({ settings, effective }: LoadedSettings): ReadonlyMap<string, NamedVip> {
  return new Map(
    settings.vips.map((vip, index) => [vip.name, { settings: vip, entries: effective.vips[index] ?? new Map() }]),
  );
}

/** Settings whose values differ; the same written otherwise (1000ms, 1s) does not. */
function differences(old: Entries, young: Entries): { change: SettingChange; entry: Entry }[] {
  return [...young].flatMap(([path, entry]) => {
    const former = old.get(path);
    if (isDeepStrictEqual(former?.value, entry.value)) return [];
    const { isSecret } = entry.setting;
    const from = tellable(written(former?.raw), isSecret, '(secret)');
    const to = tellable(written(entry.raw), isSecret, from === '(secret)' ? '(changed)' : '(secret)');
    return [{ change: { path: path as SettingPath, from, to }, entry }];
  });
}

/** These lines go to the log: of a secret they say only whether there is one. */
function tellable(text: string, isSecret: boolean | undefined, instead: string): string {
  return isSecret === true && text !== notSet ? instead : text;
}

const notSet = 'not set';

/** Where the new value stands, if it stands in a file. */
function place(entry: Entry | undefined): string {
  if (entry?.origin.kind !== 'file') return '';
  const { file, position } = entry.origin;
  return `${file}:${position.line}:${position.column}: `;
}

/** One line, whatever the value is. */
function written(raw: unknown): string {
  if (raw === undefined || raw === null || raw === '') return notSet;
  if (Array.isArray(raw)) return `[${raw.map(written).join(', ')}]`;
  if (typeof raw === 'object') {
    const pairs = Object.entries(raw).map(([key, value]) => `${key}: ${written(value)}`);
    return `{ ${pairs.join(', ')} }`;
  }
  return typeof raw === 'string' && !/^[!-~]+$/.test(raw) ? JSON.stringify(raw) : String(raw);
}
