import { type Instant, millis, plus } from '../time/instant.js';
import { random } from '../time/random.js';
import { heldRecord, releasedRecord } from './record.js';
import {
  contends,
  expiryOf,
  isOurs,
  isProvisional,
  knownLease,
  type LeaseEffect,
  type LeaseReason,
  type LeaseState,
  type WritePurpose,
} from './state.js';

/** More than can be under way or unanswered at once. */
const writesRemembered = 16;

type Step = { readonly state: LeaseState; readonly effects: readonly LeaseEffect[] };

/** What to ask of the API now, if anything. One request is under way at a time, except that a write overtakes a read. */
export function attempt(state: LeaseState, now: Instant, wall: Date): Step {
  if (state.stopped) return nothing(state);
  // What is under way could still write when the other process does.
  if (state.isCeding) return state.inFlight === undefined ? stop(state) : nothing(state);
  if (!contends(state)) return letGo(state, now, wall);
  return state.tenure === undefined ? follow(state, now, wall) : lead(state, now, wall);
}

function lead(state: LeaseState, now: Instant, wall: Date): Step {
  if (writing(state) || now < state.attemptAt) return nothing(state);
  if (state.mustRead) return state.inFlight === undefined ? read(state, now) : nothing(state);
  if (!isProvisional(state)) return write(state, now, wall, 'renew', 'renewed');
  // The Lease is taken as by any follower.
  const reason = freedom(state, now) ?? (state.known === undefined ? 'acquired-new' : undefined);
  if (reason !== undefined) return write(state, now, wall, 'acquire', reason);
  return now >= state.pollAt && state.inFlight === undefined ? read(state, now) : nothing(state);
}

function follow(state: LeaseState, now: Instant, wall: Date): Step {
  if (writing(state)) return nothing(state);
  const reason = state.mustRead ? undefined : freedom(state, now);
  if (reason !== undefined && now >= state.attemptAt) return write(state, now, wall, 'acquire', reason);
  if (state.inFlight !== undefined) return nothing(state);
  const due = now >= state.pollAt || (state.mustRead && now >= state.attemptAt);
  return due ? read(state, now) : nothing(state);
}

/** Why a follower may take the Lease now; undefined when it may not. */
function freedom(state: LeaseState, now: Instant): LeaseReason | undefined {
  if (state.known === undefined) return undefined;
  if (state.known.lease === undefined) return 'acquired-new';
  const { record } = state.known.lease;
  if (record.holderIdentity === '') return 'acquired-released';
  if (isOurs(state, record)) return 'acquired-own';
  const expiry = expiryOf(state);
  return expiry !== undefined && now >= expiry ? 'acquired-expired' : undefined;
}

/** Not contending: once the address is off, a Lease in our name is released; only then has a stopping machine stopped. */
function letGo(state: LeaseState, now: Instant, wall: Date): Step {
  const { stopping } = state;
  if (stopping !== undefined && now >= stopping.giveUpAt) return stop(state);
  if (state.addressOn || writing(state)) return nothing(state);
  if (state.mustRead) {
    return state.inFlight === undefined && now >= state.attemptAt ? read(state, now) : nothing(state);
  }
  const known = knownLease(state);
  if (known !== undefined && isOurs(state, known.record)) {
    return now >= state.attemptAt ? write(state, now, wall, 'release', state.because) : nothing(state);
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

function write(state: LeaseState, now: Instant, wall: Date, purpose: WritePurpose, because: LeaseReason): Step {
  const id = state.lastRequest + 1;
  const base = knownLease(state);
  const { identity, duration, renewDeadline } = state.config;
  const record =
    purpose === 'release' && base !== undefined
      ? releasedRecord(base.record, wall)
      : heldRecord(base?.record, identity, duration / 1000, wall);
  const written = [...state.written, record.renewTime ?? ''].slice(-writesRemembered);
  return {
    state: { ...state, written, lastRequest: id, inFlight: { id, startedAt: now, purpose, because } },
    effects: [{ kind: 'write', request: id, purpose, base, record, timeout: renewDeadline }],
  };
}
