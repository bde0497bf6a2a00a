import { didYouMean } from '../did-you-mean.js';
import type { Origin } from '../entry.js';
import type { Environment } from '../environment.js';
import { globalSettings, vipSettings } from '../schema.js';
import { carryOver, kubeVipSettings } from './carry.js';
import type { KubeVipSetting } from './setting.js';

type Flags = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Values that are given by kube-vip's names. */
export interface Aliases {
  /** By vipd's paths. `rank` is how it was given; `origin` where it is written. */
  readonly settings: ReadonlyMap<string, Alias>;
  /** Defaults that are kube-vip's instead of vipd's. */
  readonly defaults: ReadonlyMap<string, { readonly raw: unknown; readonly origin: Origin }>;
  /** What vipd does not start with, a line each. */
  readonly problems: readonly string[];
  /** What means something else than in kube-vip, or nothing, a line each. */
  readonly warnings: readonly string[];
}

export interface Alias {
  readonly raw: unknown;
  readonly rank: 'flag' | 'environment';
  readonly origin: Origin;
}

const nothing: Aliases = { settings: new Map(), defaults: new Map(), problems: [], warnings: [] };

const ownFlags = new Set(
  [globalSettings, vipSettings].flatMap((table) => Object.values(table).map(({ flag }) => flag)),
);
const variables = kubeVipSettings.flatMap(({ variable }) => variable ?? []);

/** kube-vip's own words; `address` or `port` alone may be anybody's. */
const telling = /^(vip|cp|lb|svc|bgp)_/;

/**
 * Reads kube-vip's variables and flags. They count when at least one is given that is nobody else's; then kube-vip's defaults
 * count too.
 * @param podNamespace that of the pod's service account, if there is one
 */
export function readAliases(flags: Flags, environment: Environment, podNamespace: string | undefined): Aliases {
  const isTold =
    variables.some((name) => telling.test(name) && isGiven(environment[name])) ||
    kubeVipSettings.some((setting) => setting.flags.some((flag) => !ownFlags.has(flag) && flags[flag] !== undefined));
  if (!isTold) return nothing;
  const warnings: string[] = [];
  const texts = new Map<string, string>();
  const places = new Map<string, Place>();
  for (const setting of kubeVipSettings) {
    const fromFlag = flagOf(setting, flags);
    const inEnvironment = setting.variable === undefined ? undefined : environment[setting.variable];
    if (fromFlag !== undefined) {
      texts.set(setting.name, fromFlag.text);
      places.set(setting.name, { rank: 'flag', name: fromFlag.name });
      if (isGiven(inEnvironment) && inEnvironment !== fromFlag.text)
        warnings.push(
          `environment ${setting.name}: flag ${fromFlag.name} wins over it; in kube-vip the environment does`,
        );
    } else if (isGiven(inEnvironment)) {
      texts.set(setting.name, inEnvironment);
      places.set(setting.name, { rank: 'environment', name: setting.name });
    }
  }
  const carried = carryOver(texts);
  const placeOf = (name: string): Place => places.get(name) ?? { rank: 'environment', name };
  const said = (kind: 'refused' | 'ignored' | 'note') =>
    carried.remarks
      .filter((remark) => remark.kind === kind)
      .map(({ name, sentence }) => `${where(placeOf(name))}: ${kind === 'ignored' ? 'ignored: ' : ''}${sentence}`);
  const settings = new Map<string, Alias>();
  for (const [path, { raw, from }] of carried.settings) {
    const { rank, name } = placeOf(from);
    settings.set(path, { raw, rank, origin: { kind: rank, name } });
  }
  const namespace = 'election.lease.namespace';
  // kube-vip's Lease is where its pod is, whatever cp_namespace says: beside it, vipd must have the same.
  if (podNamespace !== undefined && texts.get('vip_leasename')?.includes('/') !== true) {
    const rank = settings.get(namespace)?.rank ?? 'environment';
    settings.set(namespace, { raw: podNamespace, rank, origin: { kind: 'pod' } });
  }
  return {
    settings,
    defaults: new Map(
      [...carried.defaults].map(([path, { raw, from }]) => {
        const words = from === undefined ? "kube-vip's" : `as short as ${from} asks for`;
        return [path, { raw, origin: { kind: 'default', words } }];
      }),
    ),
    problems: said('refused'),
    warnings: [...warnings, ...said('ignored'), ...said('note'), ...unknownNames(environment)],
  };
}

interface Place {
  readonly rank: 'flag' | 'environment';
  readonly name: string;
}

function where({ rank, name }: Place): string {
  return `${rank} ${name}`;
}

/** Of several, the last counts, as in kube-vip; those of a flag that vipd has too are one list. */
function flagOf(setting: KubeVipSetting, flags: Flags): { readonly text: string; readonly name: string } | undefined {
  for (const flag of setting.flags) {
    const given = flags[flag];
    const texts = typeof given === 'string' ? [given] : (given ?? []);
    const text = ownFlags.has(flag) ? texts.join(',') : texts.at(-1);
    // An empty flag is none, as in kube-vip; only metrics are turned off by one.
    if (text === '' && setting.name !== 'prometheus_server') continue;
    if (text !== undefined && texts.length > 0) return { text, name: flag.length === 1 ? `-${flag}` : `--${flag}` };
  }
  return undefined;
}

function unknownNames(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => telling.test(name) && !variables.includes(name) && isGiven(environment[name]))
    .sort()
    .map((name) => `environment ${name}: ignored: kube-vip has no such setting${didYouMean(name, variables)}`);
}

/** An empty variable is the same as none. */
function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
