import type { ApiRefusal } from '../kubernetes/refusal.js';
import { earliest, type Instant, millis, plus } from '../time/instant.js';
import { random } from '../time/random.js';
import type { Authority, Leadership } from '../vip/leadership.js';
import type { LeaseAnswer } from './api.js';
import { attempt } from './attempt.js';
import { isNewer, type ObservedLease, sameRecord } from './record.js';
import {
  bootLater,
  conflictPause,
  contends,
  expiryOf,
  heartbeat,
  isApiAway,
  isBooting,
  isContestable,
  isOurs,
  isProvisional,
  knownLease,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseReason,
  type LeaseState,
  pauseThreshold,
  proofEnd,
  type Request,
  type WritePurpose,
} from './state.js';

/**
 * The election by Lease. The rules it keeps, and why two nodes never both have proof:
 * - A successful write started at `s` proves leadership until `s + duration`; nothing else does, no read and no watch event.
 * - A follower takes a held Lease only when it saw no change of its record for the longer of the record's and its own duration,
 *   counted on its own clock from when it first saw that record, which is after the write that made it. Its write names the
 *   resourceVersion it saw, so it fails if anybody wrote in between.
 * - After a pause only writes started after it count.
 * @param wall only noticed when it runs ahead of `now`: a virtual machine that was frozen while its own clock stood still
 */
export function stepLease(
  state: LeaseState,
  event: LeaseEvent,
  now: Instant,
  wall: Date,
): { readonly state: LeaseState; readonly effects: readonly LeaseEffect[] } {
  const noticed = noticePause(state, now, wall.getTime());
  return attempt(lapse(apply(noticed, event, now), now), now, wall);
}

/** When the machine wants to be stepped next, whatever happens. */
export function nextLeaseDeadline(state: LeaseState): Instant | undefined {
  if (state.stopped) return undefined;
  const { now } = state.lastStep;
  const idle = state.inFlight === undefined;
  const follows = contends(state) && state.tenure === undefined;
  const deadlines = [
    idle ? state.attemptAt : undefined,
    idle && follows ? state.pollAt : undefined,
    follows ? state.bootAt : undefined,
    follows ? expiryOf(state) : undefined,
    state.tenure === undefined ? undefined : proofEnd(state, state.tenure),
    state.stopping?.giveUpAt,
  ];
  // What lies in the past has had its step.
  return earliest(plus(now, heartbeat), ...deadlines.filter((at) => at !== undefined && at > now));
}

/**
 * Whether what this node has, or knows of who leads, could not be had again if it were given up now: it has no proof, or the API that would
 * give it another does not answer.
 */
export function isUnproven(state: LeaseState, { role, authority }: Leadership): boolean {
  if (role !== 'follower' && authority.kind !== 'proven') return true;
  return isApiAway(state) && (role === 'leader' || knownLease(state) !== undefined);
}

/** What the election says to the VIP at `now`. */
export function leadershipOf(state: LeaseState, now: Instant): Leadership {
  const holder = knownLease(state)?.record.holderIdentity;
  const leader = holder === '' ? undefined : holder;
  const { tenure, because } = state;
  if (tenure === undefined) {
    const authority: Authority = isBooting(state, now) ? { kind: 'suspended', contestable: true } : { kind: 'none' };
    return { role: 'follower', leader, because, authority };
  }
  return { role: 'leader', leader: state.config.identity, because, authority: authorityOf(state, now) };
}

function authorityOf(state: LeaseState, now: Instant): Authority {
  const { tenure } = state;
  if (tenure === undefined) return { kind: 'none' };
  if (state.doubtedAt !== undefined) {
    return state.unclaimed ? { kind: 'unchallenged' } : { kind: 'suspended', contestable: isContestable(state) };
  }
  const until = proofEnd(state, tenure);
  const thenHeld = state.config.onApiLoss === 'hold';
  if (now < until) return { kind: 'proven', until, thenHeld };
  return thenHeld ? { kind: 'unchallenged' } : { kind: 'none' };
}

function noticePause(state: LeaseState, now: Instant, wall: number): LeaseState {
  const elapsed = now - state.lastStep.now;
  const jumped = wall - state.lastStep.wall - elapsed;
  const lastStep = { now, wall };
  if (elapsed <= pauseThreshold && jumped <= pauseThreshold) return { ...state, lastStep };
  // A follower has nothing to doubt, but a write that it has under way counts for nothing.
  const doubtedAt = state.tenure !== undefined || state.inFlight !== undefined ? now : undefined;
  const because = state.tenure === undefined ? state.because : 'paused';
  return { ...state, lastStep, because, doubtedAt, unclaimed: false, attemptAt: now };
}

function apply(state: LeaseState, event: LeaseEvent, now: Instant): LeaseState {
  switch (event.kind) {
    case 'tick':
      return state;
    case 'observed': {
      // A write's own answer may have overtaken the watch.
      const news = state.known === undefined || isNewer(event.lease, state.known);
      return news ? observe(state, event.lease, now) : state;
    }
    case 'absent': {
      // A slow list may tell of a time before the Lease was made.
      if (state.known !== undefined && !isNewer(event, state.known)) return state;
      return vanish(state, event.resourceVersion, now);
    }
    case 'answered':
      return answered(state, event.request, event.answer, now);
    case 'claimed':
      return claimed(state, now);
    case 'unclaimed':
      if (isBooting(state, now))
        return { ...state, tenure: { provenUntil: now }, because: 'provisional', attemptAt: now };
      if (state.tenure === undefined || !isContestable(state)) return state;
      return { ...state, unclaimed: true, because: 'api-loss-hold' };
    case 'able':
      if (event.able === state.able) return state;
      return event.able
        ? { ...state, able: true, attemptAt: now }
        : leave({ ...state, able: false, attemptAt: now }, 'unable');
    case 'address':
      return { ...state, addressOn: event.on };
    case 'cede':
      return { ...state, isCeding: true };
    case 'stop':
      if (state.stopping !== undefined) return state;
      return {
        ...leave({ ...state, attemptAt: now }, 'stopping'),
        stopping: { giveUpAt: plus(now, millis(2 * state.config.renewDeadline)) },
      };
  }
}

function observe(state: LeaseState, lease: ObservedLease, now: Instant): LeaseState {
  const known = state.known?.lease === undefined ? undefined : state.known;
  const same = known !== undefined && sameRecord(known.lease.record, lease.record);
  const next: LeaseState = {
    ...state,
    known: { lease, resourceVersion: lease.resourceVersion, since: same ? known.since : now, seenAt: now },
    mustRead: false,
  };
  const { holderIdentity } = lease.record;
  if (isOurs(state, lease.record)) return shortenProof(next, lease, now);
  if (holderIdentity === '')
    return lose(known !== undefined && same ? next : { ...next, attemptAt: now }, 'lease-emptied');
  // For one that has the address for the time being it is old news, until the holder shows that he lives.
  if (!contends(next) || (isProvisional(state) && (state.known === undefined || same))) return next;
  return leave(next, holderIdentity === state.config.identity ? 'held-by-namesake' : 'held-by-other');
}

/** Somebody edited the duration of the Lease that we hold: the shorter one counts, and a renewal at once sets it right. */
function shortenProof(state: LeaseState, lease: ObservedLease, now: Instant): LeaseState {
  const duration = Math.max(0, lease.record.leaseDurationSeconds * 1000);
  if (state.tenure === undefined || duration >= state.config.duration) return state;
  const writtenAt = state.tenure.provenUntil - state.config.duration;
  const provenUntil = Math.min(state.tenure.provenUntil, writtenAt + duration) as Instant;
  return { ...state, tenure: { provenUntil }, attemptAt: now };
}

/** There is no Lease, as of that version. */
function vanish(state: LeaseState, resourceVersion: string, now: Instant): LeaseState {
  const known = { lease: undefined, resourceVersion, seenAt: now };
  return lose({ ...state, known, mustRead: false, attemptAt: now }, 'lease-deleted');
}

/** Nobody has the Lease any more. */
function lose(state: LeaseState, because: 'lease-deleted' | 'lease-emptied'): LeaseState {
  return contends(state) && !isProvisional(state) ? leave(state, because) : state;
}

function leave(state: LeaseState, because: LeaseReason): LeaseState {
  // A write that was under way when the doubt arose must not prove anything later.
  return {
    ...state,
    tenure: undefined,
    because,
    doubtedAt: state.inFlight === undefined ? undefined : state.doubtedAt,
    unclaimed: false,
  };
}

/** A foreign claim: without proof the other is right; with proof a write at once shows who is. */
function claimed(state: LeaseState, now: Instant): LeaseState {
  const { tenure } = state;
  // Whoever has the address, or is about to take it, is left alone.
  if (tenure === undefined) return { ...state, ...bootLater(state.config, now, state.seed) };
  if (state.doubtedAt !== undefined || now >= tenure.provenUntil) {
    return { ...leave(state, 'claimed-by-other'), ...bootLater(state.config, now, state.seed) };
  }
  // A flood of claims is no flood of writes.
  const soon = plus(tenure.provenUntil, millis(heartbeat - state.config.duration));
  return { ...state, attemptAt: Math.min(state.attemptAt, Math.max(now, soon)) as Instant };
}

function answered(state: LeaseState, id: number, answer: LeaseAnswer, now: Instant): LeaseState {
  const request = state.inFlight;
  if (request === undefined || request.id !== id) return state;
  const idle: LeaseState = { ...state, inFlight: undefined, apiBackAt: apiBack(state, answer, now) };
  if (!answer.ok) return failed(idle, request, answer.refusal, now);
  const { known } = state;
  // The watch has already shown what came after this answer was made.
  const overtaken = known !== undefined && known.seenAt >= request.startedAt && isNewer(known, answer.lease);
  if (overtaken) return request.purpose === 'read' ? idle : { ...idle, mustRead: true, attemptAt: now };
  if (request.purpose === 'read') return observe(idle, answer.lease, now);
  const { lease } = answer;
  const { resourceVersion } = lease;
  const seen: LeaseState = { ...idle, known: { lease, resourceVersion, since: now, seenAt: now }, mustRead: false };
  return contends(seen) && request.purpose !== 'release' ? prove(seen, request, now) : seen;
}

function apiBack(state: LeaseState, answer: LeaseAnswer, now: Instant): Instant | undefined {
  return answer.ok && isApiAway(state) ? now : state.apiBackAt;
}

function prove(
  state: LeaseState,
  request: Request & { readonly purpose: WritePurpose; readonly because: LeaseReason },
  now: Instant,
): LeaseState {
  const { config, tenure } = state;
  const provenUntil = plus(request.startedAt, config.duration);
  // An answer that comes when its own proof has ended gives nothing to hold on to: write again.
  if (tenure === undefined && now >= provenUntil) return { ...state, attemptAt: now };
  const doubted = state.doubtedAt !== undefined && request.startedAt < state.doubtedAt;
  const { because } = state;
  const wasAcquired = because.startsWith('acquired') || because === 'handed-over';
  const settled = tenure !== undefined && wasAcquired && request.purpose === 'renew';
  return {
    ...state,
    because: doubted || settled ? state.because : request.because,
    tenure: { provenUntil },
    doubtedAt: doubted ? state.doubtedAt : undefined,
    unclaimed: doubted && state.unclaimed,
    attemptAt: doubted ? now : (Math.max(plus(request.startedAt, config.retryPeriod), now) as Instant),
  };
}

function failed(state: LeaseState, request: Request, refusal: ApiRefusal, now: Instant): LeaseState {
  if (refusal === 'absent') {
    return vanish(state, state.known?.resourceVersion ?? '0', now);
  }
  // Someone wrote since we looked; perhaps it was our own write whose answer never came.
  if (refusal === 'conflict') {
    return { ...state, mustRead: true, attemptAt: request.purpose === 'renew' ? now : plus(now, conflictPause) };
  }
  const { value, seed } = random(state.seed);
  // Who leads tries harder: its proof is running out.
  const pause = millis(state.config.retryPeriod * (state.tenure === undefined ? 1 + 0.2 * value : 0.3 + 0.2 * value));
  const mustRead = state.mustRead || request.purpose === 'acquire' || request.purpose === 'release';
  const because = state.tenure === undefined && contends(state) ? 'waiting-for-api' : state.because;
  return { ...state, because, seed, apiFailedAt: now, mustRead, attemptAt: plus(now, pause), pollAt: plus(now, pause) };
}

/** The proof's end: keep what nobody contests, or let go in time. */
function lapse(state: LeaseState, now: Instant): LeaseState {
  const { tenure } = state;
  if (tenure === undefined || now < proofEnd(state, tenure)) return state;
  if (state.config.onApiLoss === 'release') return leave(state, 'api-loss-release');
  if (state.doubtedAt !== undefined || isProvisional(state)) return state;
  return { ...state, because: 'api-loss-hold' };
}
