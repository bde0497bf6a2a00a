import { type Instant, millis, plus } from '../time/instant.js';
import { random } from '../time/random.js';
import {
  contends,
  expiryOf,
  knownLease,
  type LeaseEffect,
  type LeaseReason,
  type LeaseState,
  type WritePurpose,
} from './state.js';

type Step = { readonly state: LeaseState; readonly effects: readonly LeaseEffect[] };

/** What to ask of the API now, if anything. One request is under way at a time, except that a write overtakes a read. */
export function attempt(state: LeaseState, now: Instant): Step {
  if (state.stopped) return nothing(state);
  if (!contends(state)) return letGo(state, now);
  return state.tenure === undefined ? follow(state, now) : lead(state, now);
}

function lead(state: LeaseState, now: Instant): Step {
  if (writing(state) || now < state.attemptAt) return nothing(state);
  if (state.mustRead) return state.inFlight === undefined ? read(state, now) : nothing(state);
  return write(state, now, 'renew', 'renewed');
}

function follow(state: LeaseState, now: Instant): Step {
  if (writing(state)) return nothing(state);
  const reason = state.mustRead ? undefined : freedom(state, now);
  if (reason !== undefined && now >= state.attemptAt) return write(state, now, 'acquire', reason);
  if (state.inFlight !== undefined) return nothing(state);
  const due = now >= state.pollAt || (state.mustRead && now >= state.attemptAt);
  return due ? read(state, now) : nothing(state);
}

/** Why a follower may take the Lease now; undefined when it may not. */
function freedom(state: LeaseState, now: Instant): LeaseReason | undefined {
  if (state.known === undefined) return undefined;
  if (state.known === 'absent') return 'acquired-new';
  const { holderIdentity } = state.known.lease.record;
  if (holderIdentity === '') return 'acquired-released';
  if (holderIdentity === state.config.identity) return 'acquired-own';
  return now >= expiryOf(state, state.known) ? 'acquired-expired' : undefined;
}

/** Not contending: once the address is off, a Lease in our name is released; only then has a stopping machine stopped. */
function letGo(state: LeaseState, now: Instant): Step {
  const { stopping } = state;
  if (stopping !== undefined && now >= stopping.giveUpAt) return stop(state);
  if (state.addressOn || writing(state)) return nothing(state);
  if (state.mustRead) {
    return state.inFlight === undefined && now >= state.attemptAt ? read(state, now) : nothing(state);
  }
  if (knownLease(state)?.record.holderIdentity === state.config.identity) {
    return now >= state.attemptAt ? write(state, now, 'release', state.because) : nothing(state);
  }
  return stopping === undefined ? nothing(state) : stop(state);
}

function writing(state: LeaseState): boolean {
  return state.inFlight !== undefined && state.inFlight.purpose !== 'read';
}

function nothing(state: LeaseState): Step {
  return { state, effects: [] };
}

function stop(state: LeaseState): Step {
  return { state: { ...state, stopped: true, inFlight: undefined }, effects: [{ kind: 'stopped' }] };
}

function read(state: LeaseState, now: Instant): Step {
  const id = state.lastRequest + 1;
  const { value, seed } = random(state.seed);
  // Jitter, so that the followers of a cluster do not ask in step.
  const pollAt = plus(now, millis(state.config.retryPeriod * (1 + 0.2 * value)));
  return {
    state: { ...state, seed, pollAt, lastRequest: id, inFlight: { id, startedAt: now, purpose: 'read' } },
    effects: [{ kind: 'read', request: id, timeout: state.config.renewDeadline }],
  };
}

function write(state: LeaseState, now: Instant, purpose: WritePurpose, because: LeaseReason): Step {
  const id = state.lastRequest + 1;
  return {
    state: { ...state, lastRequest: id, inFlight: { id, startedAt: now, purpose, because } },
    effects: [{ kind: 'write', request: id, purpose, base: knownLease(state), timeout: state.config.renewDeadline }],
  };
}
