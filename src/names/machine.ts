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
  /** Undefined while a look-up is under way. */
  readonly nextAt: Instant | undefined;
}

export type NameEvent =
  | { readonly kind: 'tick' }
  /** The addresses of the name, in any order. */
  | { readonly kind: 'answered'; readonly ips: readonly Ip[] }
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

export function initialName(config: NameConfig, now: Instant): NameState {
  return { config, addresses: undefined, candidate: undefined, failures: 0, trouble: undefined, nextAt: now };
}

/**
 * When a name is looked up, and what of the answers counts. The first answer counts at once; another one when the next look-up gives
 * it again. No answer, also that there is no such name any more, takes nothing away: an address that serves is better than none.
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
  const { config, addresses, candidate } = state;
  const later = plus(now, config.interval);
  if (same(chosen, addresses)) return { state: { ...state, candidate: undefined, nextAt: later }, effects: [] };
  if (addresses === undefined || same(chosen, candidate)) {
    return {
      state: { ...state, addresses: chosen, candidate: undefined, nextAt: later },
      effects: [{ kind: 'use', addresses: chosen }],
    };
  }
  const soon = plus(now, millis(Math.min(confirmation, config.interval)));
  return { state: { ...state, candidate: chosen, nextAt: soon }, effects: [] };
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
