import { type Instant, type Millis, plus } from '../time/instant.js';

/** Rise and fall of one backend, as HAProxy counts them. Pure. */
export interface HealthConfig {
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly fall: number;
  readonly rise: number;
}

export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly because: CheckFailure };
export type CheckFailure = 'refused' | 'timeout' | 'unreachable' | 'reset' | 'error';

export interface HealthState {
  readonly up: boolean;
  /** Checks in a row that contradict `up`. */
  readonly against: number;
  /** Undefined until the first check has an answer; the first answer decides alone. */
  readonly lastResult: CheckResult | undefined;
  readonly nextAt: Instant;
}

/** An unknown backend is not used: its first check takes milliseconds. */
export function initialHealth(now: Instant): HealthState {
  return { up: false, against: 0, lastResult: undefined, nextAt: now };
}

export function checked(state: HealthState, config: HealthConfig, result: CheckResult, now: Instant): HealthState {
  const nextAt = plus(now, config.interval);
  if (state.lastResult === undefined) return { up: result.ok, against: 0, lastResult: result, nextAt };
  const against = result.ok === state.up ? 0 : state.against + 1;
  const turns = against >= (state.up ? config.fall : config.rise);
  return { up: turns ? !state.up : state.up, against: turns ? 0 : against, lastResult: result, nextAt };
}
