import { type Instant, type Millis, millis, plus } from '../time/instant.js';
import { random, type Seed } from '../time/random.js';
import type { Bequest } from '../vip/election.js';
import type { LeaseAnswer } from './api.js';
import type { LeaseRecord, ObservedLease } from './record.js';

export interface LeaseConfig {
  readonly identity: string;
  readonly duration: Millis;
  readonly renewDeadline: Millis;
  readonly retryPeriod: Millis;
  readonly onApiLoss: 'hold' | 'release';
  /** With `hold`: how long nobody may have claimed the address before a node that never saw the Lease takes it for the time being. */
  readonly bootPatience: Millis;
}

export type WritePurpose = 'acquire' | 'renew' | 'release';

/** Why this node leads or does not: the same words in log, metrics and status. */
export type LeaseReason =
  | 'starting'
  | 'acquired-new' // there was no Lease
  | 'acquired-released' // the last holder gave it up
  | 'acquired-own' // our name was in it, from an earlier life or because our own proof had lapsed
  | 'acquired-expired' // its holder stopped renewing
  | 'handed-over' // by an earlier process of this node
  | 'renewed' // after a doubt or an outage of the API
  | 'held-by-other'
  | 'held-by-namesake' // another process calls itself by this node's name
  | 'provisional' // the API never answered, and nobody else has the address
  | 'api-loss-hold'
  | 'api-loss-release'
  | 'lease-deleted'
  | 'lease-emptied'
  | 'claimed-by-other'
  | 'paused'
  | 'unable'
  | 'stopping'
  | 'waiting-for-api';

export type LeaseEvent =
  | { readonly kind: 'tick' }
  /** The watch shows the Lease. */
  | { readonly kind: 'observed'; readonly lease: ObservedLease }
  /** The watch shows that there is none. */
  | { readonly kind: 'absent'; readonly resourceVersion: string }
  | { readonly kind: 'answered'; readonly request: number; readonly answer: LeaseAnswer }
  /** Another host says that the VIP is its own, or asks whether it may take it. */
  | { readonly kind: 'claimed' }
  /** Nobody on the LAN says so, asked after the doubt arose. */
  | { readonly kind: 'unclaimed' }
  /** Whether this node can serve the VIP at all. */
  | { readonly kind: 'able'; readonly able: boolean }
  /** Whether the VIP is, or may be, on this node: the Lease is not released before it is off. */
  | { readonly kind: 'address'; readonly on: boolean }
  | { readonly kind: 'stop' }
  /** Another process of this node goes on: nothing more is asked of the API. */
  | { readonly kind: 'cede' };

export type LeaseEffect =
  | { readonly kind: 'read'; readonly request: number; readonly timeout: Millis }
  | {
      readonly kind: 'write';
      readonly request: number;
      readonly purpose: WritePurpose;
      /** What was seen; undefined creates the Lease. */
      readonly base: ObservedLease | undefined;
      readonly record: LeaseRecord;
      readonly timeout: Millis;
    }
  | { readonly kind: 'stopped' };

export interface Tenure {
  /** Until when the last successful write proves it. */
  readonly provenUntil: Instant;
}

export type Request = { readonly id: number; readonly startedAt: Instant } & (
  | { readonly purpose: 'read' }
  | { readonly purpose: WritePurpose; readonly because: LeaseReason }
);

/** What this node knows of the Lease: the latest version of it, or that there was none at that version. */
export type Known =
  | {
      readonly lease: ObservedLease;
      readonly resourceVersion: string;
      /** When this node first saw this record. */
      readonly since: Instant;
      /** When this node last learnt something about it. */
      readonly seenAt: Instant;
    }
  | { readonly lease: undefined; readonly resourceVersion: string; readonly seenAt: Instant };

export interface LeaseState {
  readonly config: LeaseConfig;
  readonly seed: Seed;
  readonly because: LeaseReason;
  readonly known: Known | undefined;
  /** What is known may be overtaken: look again before the next write. */
  readonly mustRead: boolean;
  readonly tenure: Tenure | undefined;
  /** Writes started before this prove nothing: the process was paused since. */
  readonly doubtedAt: Instant | undefined;
  /** In doubt, but nobody else on the LAN has the address. */
  readonly unclaimed: boolean;
  /** When a node that knows no Lease may ask the LAN whether the address is free. */
  readonly bootAt: Instant;
  /** When the API last did not answer, or would not. */
  readonly apiFailedAt: Instant | undefined;
  /** When it answered again after that. */
  readonly apiBackAt: Instant | undefined;
  readonly able: boolean;
  readonly addressOn: boolean;
  readonly stopping: { readonly giveUpAt: Instant } | undefined;
  readonly isCeding: boolean;
  readonly stopped: boolean;
  readonly inFlight: Request | undefined;
  readonly lastRequest: number;
  /** The renewTimes of our latest writes: a record in our name with another one is not ours. */
  readonly written: readonly string[];
  /** No write, and no read that one waits for, starts before this. */
  readonly attemptAt: Instant;
  /** When a follower looks again although the watch is silent. */
  readonly pollAt: Instant;
  readonly lastStep: { readonly now: Instant; readonly wall: number };
}

/** A process that is stepped this late was paused. */
export const pauseThreshold = millis(1000);
/** How often the clock is looked at, so that a pause is noticed. */
export const heartbeat = millis(250);
/** Asking the LAN takes half a second; as many nodes as a control plane has fit into this without meeting. */
const bootSpread = 4000;
/** After a conflict: long enough not to fight, short enough not to be seen. */
export const conflictPause = millis(50);

export function initialLease(config: LeaseConfig, now: Instant, wall: Date, seed: Seed): LeaseState {
  return {
    config,
    because: 'starting',
    known: undefined,
    mustRead: false,
    tenure: undefined,
    doubtedAt: undefined,
    unclaimed: false,
    ...bootLater(config, now, seed),
    apiFailedAt: undefined,
    apiBackAt: undefined,
    able: true,
    addressOn: false,
    stopping: undefined,
    isCeding: false,
    stopped: false,
    inFlight: undefined,
    lastRequest: 0,
    written: [],
    attemptAt: now,
    pollAt: now,
    lastStep: { now, wall: wall.getTime() },
  };
}

/** As a leader that goes on where an earlier process of this node ceded. What is in the Lease now, it looks up first. */
export function inheritLease(
  state: LeaseState,
  { until, written = [] }: Bequest,
  now: Instant,
  wall: Date,
): LeaseState {
  // Too late: another may have it by now.
  if (now >= until) return state;
  const lastStep = { now, wall: wall.getTime() };
  return { ...state, lastStep, tenure: { provenUntil: until }, because: 'handed-over', mustRead: true, written };
}

/** What there is to leave to a later process of this node; undefined when it does not lead, or not for sure. */
export function bequestOf({ tenure, doubtedAt, because, written, lastStep }: LeaseState): Bequest | undefined {
  if (tenure === undefined || doubtedAt !== undefined || because === 'provisional') return undefined;
  return lastStep.now < tenure.provenUntil ? { until: tenure.provenUntil, written } : undefined;
}

export function knownLease(state: LeaseState): ObservedLease | undefined {
  return state.known?.lease;
}

export function contends(state: LeaseState): boolean {
  return state.able && state.stopping === undefined;
}

/** The instant up to which this node may act on its proof: with `release` the address must be gone before the Lease expires. */
export function proofEnd(state: LeaseState, tenure: Tenure): Instant {
  const margin = state.config.onApiLoss === 'release' ? Math.min(500, state.config.duration / 10) : 0;
  return plus(tenure.provenUntil, millis(-margin));
}

/**
 * When a follower may take a Lease that somebody holds. The longer of their duration and our own counts, so that neither a
 * shorter setting here nor an edited Lease takes it from a holder that still has proof.
 */
export function expiryOf(state: LeaseState): Instant | undefined {
  const { known } = state;
  if (known?.lease === undefined) return undefined;
  const theirs = known.lease.record.leaseDurationSeconds * 1000;
  const expiry = plus(known.since, millis(Math.max(theirs, state.config.duration)));
  // After an outage of the API for everybody, a holder that held on gets the time to say so: its last request may still hang.
  const patience = millis(state.config.renewDeadline + state.config.retryPeriod);
  const grace = state.apiBackAt === undefined ? expiry : plus(state.apiBackAt, patience);
  return Math.max(expiry, grace) as Instant;
}

/** Part of a state: nodes that boot together do not ask the LAN in the same moment, and so do not take each other for the holder. */
export function bootLater(
  { bootPatience }: LeaseConfig,
  now: Instant,
  seed: Seed,
): Pick<LeaseState, 'bootAt' | 'seed'> {
  const drawn = random(seed);
  return { bootAt: plus(now, millis(bootPatience + bootSpread * drawn.value)), seed: drawn.seed };
}

/**
 * Whether this node may take the address although there is no API to ask, and never was since it started: the first node of a
 * cluster, or the first one back after all were down. Only the LAN can say then whether another has it.
 */
export function isBooting(state: LeaseState, now: Instant): boolean {
  const { config, tenure, known, apiFailedAt, bootAt } = state;
  if (config.onApiLoss !== 'hold' || tenure !== undefined || known !== undefined || !contends(state)) return false;
  return apiFailedAt !== undefined && now >= bootAt;
}

/** Whether this node has the address for the time being, without ever having had the Lease. */
export function isProvisional({ tenure, because }: LeaseState): boolean {
  return tenure !== undefined && because === 'provisional';
}

/** Whether the API did not answer when it was last asked. */
export function isApiAway({ apiFailedAt, apiBackAt }: LeaseState): boolean {
  return apiFailedAt !== undefined && (apiBackAt === undefined || apiBackAt < apiFailedAt);
}

/** In doubt, and the API cannot say who leads: then, with `hold`, the LAN may. */
export function isContestable(state: LeaseState): boolean {
  const { doubtedAt, apiFailedAt } = state;
  if (state.config.onApiLoss !== 'hold' || doubtedAt === undefined || apiFailedAt === undefined) return false;
  return apiFailedAt >= doubtedAt;
}

/**
 * Whether the record was written by this process, or by an earlier life of it: one that is in our name before we ever wrote.
 * Two processes with one name would otherwise both take the Lease for their own.
 */
export function isOurs(state: LeaseState, record: LeaseRecord): boolean {
  if (record.holderIdentity !== state.config.identity) return false;
  return state.written.length === 0 || state.written.includes(record.renewTime ?? '');
}
