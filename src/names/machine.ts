import { familyOf, type Ip, ipBytes } from '../net/ip.js';
import { type Instant, type Millis, millis, plus } from '../time/instant.js';

/** Which addresses of a name count: the IPv4 one or else the IPv6 one, that of one family only, one of each. */
export type NameMode = 'first' | 'ipv4' | 'ipv6' | 'dual';

export interface NameConfig {
  readonly mode: NameMode;
  /** From one look-up to the next. */
  readonly interval: Millis;
}

export interface NameState {
  readonly config: NameConfig;
  /** Those in use; undefined as long as there has been no answer. */
  readonly addresses: readonly Ip[] | undefined;
  /** What the latest look-up gave, if it is not what is in use. */
  readonly candidate: readonly Ip[] | undefined;
  /** How often in a row there was no answer. */
  readonly failures: number;
  /** Why the latest look-up gave nothing. */
  readonly trouble: string | undefined;
  /** The name has changed of late, and may go on so. */
  readonly unsettled: Unsettled | undefined;
  /** Undefined while a look-up is under way. */
  readonly nextAt: Instant | undefined;
}

export interface Unsettled {
  /** From one change to the next at least. */
  readonly pause: Millis;
  readonly changedAt: Instant;
  /** When there was last an answer that is not what is in use. */
  readonly unrestAt: Instant;
  /** A change was put off. */
  readonly told: boolean;
}

export type NameEvent =
  | { readonly kind: 'tick' }
  /** The addresses of the name, in any order. */
  | { readonly kind: 'answered'; readonly ips: readonly Ip[] }
  /** The look-up under way takes long; its answer will count all the same. */
  | { readonly kind: 'slow' }
  /** `because`: the resolver's word for why. */
  | { readonly kind: 'failed'; readonly because: string };

export type NameEffect =
  | { readonly kind: 'ask' }
  /** The name has these addresses from now on. */
  | { readonly kind: 'use'; readonly addresses: readonly Ip[] };

/** How soon a look-up without an answer is tried again at first; each time twice as long, until it is the interval. */
const firstRetry = millis(1000);
/** How soon a new answer is looked up again to be sure of it. */
const confirmation = millis(5000);
/** The longest pause between two changes, and how long a name is steady until it is trusted again. */
const longestPause = millis(30 * 60_000);

export function initialName(config: NameConfig, now: Instant): NameState {
  return {
    config,
    addresses: undefined,
    candidate: undefined,
    failures: 0,
    trouble: undefined,
    unsettled: undefined,
    nextAt: now,
  };
}

/**
 * When a name is looked up, and what of the answers counts. The first answer counts at once; another one when the next look-up gives
 * it again. No answer, also that there is no such name any more, takes nothing away: an address that serves is better than none.
 * A name whose answers alternate would move the VIP, and end its connections, for ever: from change to change it waits twice as long,
 * from one interval to half an hour, until it has been steady for half an hour.
 */
export function stepName(
  state: NameState,
  event: NameEvent,
  now: Instant,
): { readonly state: NameState; readonly effects: readonly NameEffect[] } {
  switch (event.kind) {
    case 'tick':
      if (state.nextAt === undefined || now < state.nextAt) return { state, effects: [] };
      return { state: { ...state, nextAt: undefined }, effects: [{ kind: 'ask' }] };
    case 'slow':
      return { state: state.nextAt === undefined ? { ...state, trouble: 'timeout' } : state, effects: [] };
    case 'failed':
      return { state: failed(state, event.because, now), effects: [] };
    case 'answered': {
      const chosen = chooseAddresses(event.ips, state.config.mode);
      return chosen === undefined
        ? { state: failed(state, lacking[state.config.mode], now), effects: [] }
        : answered({ ...state, failures: 0, trouble: undefined }, chosen, now);
    }
  }
}

function answered(
  state: NameState,
  chosen: readonly Ip[],
  now: Instant,
): { readonly state: NameState; readonly effects: readonly NameEffect[] } {
  const { config, addresses, candidate, unsettled } = state;
  const later = plus(now, config.interval);
  if (same(chosen, addresses))
    return {
      state: { ...state, candidate: undefined, unsettled: calm(unsettled, now), nextAt: later },
      effects: [],
    };
  if (addresses !== undefined && !same(chosen, candidate)) {
    const soon = plus(now, millis(Math.min(confirmation, config.interval)));
    const disturbed = unsettled && { ...unsettled, unrestAt: now };
    return { state: { ...state, candidate: chosen, unsettled: disturbed, nextAt: soon }, effects: [] };
  }
  if (unsettled !== undefined && now < plus(unsettled.changedAt, unsettled.pause)) {
    const putOff = { ...unsettled, unrestAt: now, told: true };
    return { state: { ...state, unsettled: putOff, nextAt: later }, effects: [] };
  }
  const next = addresses === undefined ? undefined : changed(unsettled, config, now);
  return {
    state: { ...state, addresses: chosen, candidate: undefined, unsettled: next, nextAt: later },
    effects: [{ kind: 'use', addresses: chosen }],
  };
}

function changed(unsettled: Unsettled | undefined, { interval }: NameConfig, now: Instant): Unsettled {
  const pause = unsettled === undefined ? interval : Math.max(interval, Math.min(longestPause, unsettled.pause * 2));
  return { pause: millis(pause), changedAt: now, unrestAt: now, told: unsettled?.told ?? false };
}

/** What is in use was answered. */
function calm(unsettled: Unsettled | undefined, now: Instant): Unsettled | undefined {
  return unsettled === undefined || now >= plus(unsettled.unrestAt, longestPause) ? undefined : unsettled;
}

function failed(state: NameState, trouble: string, now: Instant): NameState {
  const { config, addresses, failures } = state;
  const backOff = millis(Math.min(config.interval, firstRetry * 2 ** Math.min(failures, 20)));
  const pause = addresses === undefined ? backOff : config.interval;
  return { ...state, failures: failures + 1, trouble, candidate: undefined, nextAt: plus(now, pause) };
}

const lacking: Readonly<Record<NameMode, string>> = {
  first: 'no address',
  ipv4: 'no IPv4 address',
  ipv6: 'no IPv6 address',
  dual: 'not an address of each family',
};

/**
 * Resolvers give several addresses in any order, each time another; the lowest is the same for all nodes. Undefined when the name has
 * not what the mode asks for.
 */
export function chooseAddresses(ips: readonly Ip[], mode: NameMode): readonly Ip[] | undefined {
  const lowest = (family: 4 | 6) => ips.filter((ip) => familyOf(ip) === family).sort(compare)[0];
  const [ipv4, ipv6] = [lowest(4), lowest(6)];
  const wanted = { first: [ipv4 ?? ipv6], ipv4: [ipv4], ipv6: [ipv6], dual: [ipv4, ipv6] }[mode];
  const chosen = wanted.filter((ip) => ip !== undefined);
  return chosen.length === wanted.length ? chosen : undefined;
}

function compare(a: Ip, b: Ip): number {
  const [left, right] = [ipBytes(a), ipBytes(b)];
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return (left[at] ?? 0) - (right[at] ?? 0);
}

function same(a: readonly Ip[], b: readonly Ip[] | undefined): boolean {
  return b !== undefined && a.join() === b.join();
}
