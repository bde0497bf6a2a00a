import { type Instant, type Millis, plus } from '../time/instant.js';
import { random, type Seed } from '../time/random.js';

/** Rise and fall of one backend, and when it is checked. Pure. */
export interface HealthConfig {
  /** From the start of one check to the start of the next. */
  readonly interval: Millis;
  /** The same while results contradict the present state, or a backend that is up owes an answer. */
  readonly fastInterval: Millis;
  readonly timeout: Millis;
  readonly fall: number;
  readonly rise: number;
}

/** `detail` is for people: one line. */
export type CheckResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: CheckFailure; readonly detail?: string };

/** Why a check failed: the word in the log and in `lastCheck.result` of the status. */
export type CheckFailure =
  | 'refused' // nobody listens
  | 'unreachable' // no route, or a router says so
  | 'timeout' // no answer in time: no connection, no TLS, or no HTTP
  | 'reset' // the connection broke, or was closed, before the answer was there
  | 'tls' // no TLS is spoken there, or no version or cipher in common
  | 'certificate-unknown-ca' // signed by none of the CAs that are trusted here
  | 'certificate-wrong-name' // does not carry the name it is verified against
  | 'certificate-expired' // or not valid yet
  | 'certificate-invalid' // anything else that is wrong with it
  | 'no-ca' // there is nothing here to verify certificates with
  | 'http' // the answer is not HTTP
  | `status-${number}` // HTTP, but not a status of a living server
  | 'error';

/** What an operator can do where the settings may be at fault. */
export function mendOf(because: CheckFailure): string | undefined {
  switch (because) {
    case 'tls':
      return 'does the backend speak TLS on this port? if not, set healthCheck.type to tcp';
    case 'certificate-unknown-ca':
      return "name the file of the CA that signs the backends' certificates in healthCheck.ca";
    case 'certificate-wrong-name':
      return 'set healthCheck.serverName to a name that the certificate carries';
    case 'certificate-expired':
      return "renew the backend's certificate, or set this host's clock";
    case 'no-ca':
      return 'name a CA file in healthCheck.ca, or mend the kubeconfig';
    case 'status-401':
    case 'status-403':
      return `anonymous requests may not read healthCheck.path; allow them to, or add ${because.slice(-3)} to healthCheck.aliveStatuses`;
    default:
      return undefined;
  }
}

export interface HealthState {
  readonly up: boolean;
  /** Checks in a row that contradict `up`. */
  readonly against: number;
  /** Undefined until the first check has an answer; the first answer decides alone. */
  readonly lastResult: CheckResult | undefined;
  /** Checks that have no answer yet. */
  readonly running: number;
  readonly lastStart: Instant;
  /** The part of an interval, 0 to 1, that the next check waits. */
  readonly share: number;
  readonly seed: Seed;
}

/**
 * No interval is whole: each is up to so much shorter, so that the checks of several backends and of several daemons do not stay in
 * step once they are.
 */
const jitter = 0.1;

/** An unknown backend is not used: its first check is due at once, and takes milliseconds. */
export function initialHealth(now: Instant, seed: Seed): HealthState {
  return { up: false, against: 0, lastResult: undefined, running: 0, lastStart: now, share: 0, seed };
}

/** What another process of this node thinks of a backend. */
export type Opinion = Pick<HealthState, 'up' | 'against' | 'lastResult'>;

/** A check begins. */
export function started(state: HealthState, now: Instant): HealthState {
  const { value, seed } = random(state.seed);
  // Daemons that start together, and the backends of one, check at once and then each at a time of its own in the interval.
  const isFirst = state.lastResult === undefined && state.running === 0;
  return {
    ...state,
    running: state.running + 1,
    lastStart: now,
    share: isFirst ? value : 1 - jitter * value,
    seed,
  };
}

/** A check has its result. Those under way are counted in the order in which they end. */
export function answered(state: HealthState, config: HealthConfig, result: CheckResult): HealthState {
  const next = { ...state, running: state.running - 1, lastResult: result };
  if (state.lastResult === undefined) return { ...next, up: result.ok, against: 0 };
  const against = result.ok === state.up ? 0 : state.against + 1;
  const turns = against >= needed(state, config);
  return { ...next, up: turns ? !state.up : state.up, against: turns ? 0 : against };
}

/**
 * When the next check begins; undefined: not before one that is under way has ended.
 * A backend that is up and does not answer is asked again without waiting for the timeout, so that one that answers nothing is down
 * after `interval + (fall - 1) × fastInterval + timeout` at the latest, and not `fall` timeouts later.
 */
export function nextCheckAt(state: HealthState, config: HealthConfig): Instant | undefined {
  const { up, running, lastResult, lastStart, share } = state;
  if (lastResult === undefined) return running > 0 ? undefined : lastStart;
  if (running >= (up ? config.fall : 1)) return undefined;
  const inDoubt = state.against > 0 || running > 0;
  return plus(lastStart, (inDoubt ? config.fastInterval : config.interval * share) as Millis);
}

/** How many contradictions in a row turn the state. */
function needed({ up }: HealthState, { fall, rise }: HealthConfig): number {
  return up ? fall : rise;
}
