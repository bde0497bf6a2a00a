import type { Ip } from '../net/ip.js';
import { type Instant, type Millis, millis, plus } from '../time/instant.js';
import type { Bequest } from '../vip/election.js';
import { downInterval, skewTime, type VrrpConfig } from './config.js';

/** Why this router leads or does not: the same words in log, metrics and status. */
export type VrrpReason =
  | 'owner' // priority 255: asks nobody
  | 'master-silent'
  | 'master-resigned' // it said priority 0
  | 'lower-priority-master' // and we preempt
  | 'held-by-other'
  | 'higher-priority-heard'
  | 'tie-lost' // equal priority, higher address
  | 'paused' // nothing was sent for so long that others may have taken over
  | 'link-down'
  | 'handed-over' // by an earlier process of this node
  | VrrpFault
  | 'stopping';

/** Why this router does not take part. */
export type VrrpFault =
  | 'starting' // its addresses and sockets were not looked at yet
  | 'unable'
  | 'no-source-address'
  | 'no-socket'
  | 'tracking-unknown' // what it depends on was not looked at yet
  | 'tracked-interface-down'
  | 'tracked-script-failed';

export type VrrpEvent =
  /** @param masterUntil an earlier process of this node was master, and nobody else is before this */
  | { readonly kind: 'start'; readonly masterUntil?: Instant | undefined }
  /** The clock, looked at when everything that had been received was told: only then is a timer believed. */
  | { readonly kind: 'tick' }
  /** An advertisement that counts (`receive`). `isMain`: of the family that breaks ties. */
  | {
      readonly kind: 'heard';
      readonly source: Ip;
      readonly isMain: boolean;
      readonly priority: number;
      readonly interval: Millis;
    }
  /** What was asked for by `advertise` is on its way. */
  | { readonly kind: 'sent' }
  /** Tracking wants another priority than the configured one, or that nobody is relieved. */
  | { readonly kind: 'tracked'; readonly priority: number; readonly mayPreempt: boolean }
  /** Other settings, of which version, number, addresses and peers are as before. */
  | { readonly kind: 'configured'; readonly config: VrrpConfig }
  /** The address that the main family is sent from. */
  | { readonly kind: 'source'; readonly source: Ip | undefined }
  | { readonly kind: 'fault'; readonly fault: VrrpFault | undefined }
  | { readonly kind: 'link'; readonly up: boolean }
  /** Another host has announced the VIP. */
  | { readonly kind: 'claimed' }
  /** Whether the VIP is, or may be, on this node: nothing is given away before it is off. */
  | { readonly kind: 'address'; readonly on: boolean }
  | { readonly kind: 'stop' }
  /** Another process of this node is to go on: a master says what it said, and decides nothing else. */
  | { readonly kind: 'cede' }
  /** It has gone on. */
  | { readonly kind: 'replaced' };

export type VrrpEffect =
  /** Sends an advertisement of this priority, in every family. */
  | { readonly kind: 'advertise'; readonly priority: number }
  /** A master of lower priority has spoken, and perhaps taught the LAN that the VIP is his: announce it again. */
  | { readonly kind: 'contested' }
  | { readonly kind: 'stopped' };

/** RFC 9568 section 6.3: Initialize, Backup, Active (which everybody still calls master). */
export type VrrpRole =
  | { readonly kind: 'initialize' }
  | {
      readonly kind: 'backup';
      /** Active_Adver_Interval: in v3 the master's, in v2 our own. */
      readonly masterInterval: Millis;
      /** When Active_Down_Timer fires, and what it will mean. */
      readonly downAt: Instant;
      readonly silence: 'master-silent' | 'master-resigned' | 'lower-priority-master';
      /** Until when a master of lower priority is left alone; undefined when none was heard. */
      readonly preemptAt: Instant | undefined;
      /** Was master, was paused, and has heard nobody since: the address is neither given up nor used. */
      readonly isDoubting: boolean;
      /** Was relieved: the address stays, not announced, until its new holder claims it, so that no client finds it nowhere. */
      readonly lingersUntil: Instant | undefined;
    }
  | {
      readonly kind: 'master';
      /** When Adver_Timer fires. */
      readonly advertAt: Instant;
      /** The last advertisement that was sent, or the beginning. */
      readonly sentAt: Instant;
    }
  /** Was master and gives up: advertises until the address is off, so that no other takes it before. */
  | { readonly kind: 'resigning'; readonly advertAt: Instant; readonly sentAt: Instant; readonly giveUpAt: Instant };

export interface VrrpState {
  readonly config: VrrpConfig;
  readonly role: VrrpRole;
  readonly because: VrrpReason;
  /** What is advertised: the configured one, or what tracking makes of it. */
  readonly priority: number;
  /** False: a master of lower priority is left alone, whatever the settings say. */
  readonly mayPreempt: boolean;
  readonly source: Ip | undefined;
  /** Who was last heard to be master. */
  readonly master: { readonly source: Ip; readonly priority: number } | undefined;
  readonly fault: VrrpFault | undefined;
  readonly linkUp: boolean;
  readonly addressOn: boolean;
  readonly started: boolean;
  /** It begins as master, if it can begin by then. */
  readonly masterUntil: Instant | undefined;
  /** Has ceded; a master speaks on for no longer than this. */
  readonly cededUntil: Instant | undefined;
  /** Until `leaveAt` a master still leads, with the lowest priority there is, for another to relieve it. */
  readonly stopping: { readonly leaveAt: Instant; readonly giveUpAt: Instant } | undefined;
  readonly stopped: boolean;
}

/** How long a resigning master waits for the address to be off; then its lifetime in the kernel has ended, or soon will. */
export const resignationPatience = millis(3000);
/** What a backup and the network may add to its time, and how long an orderly stop may take by it. */
const handOverMargin = 200;
const longestHandOver = 5000;
/** No answer to a master of lower priority follows an advertisement sooner than this: a flood is not answered by another. */
export const answerInterval = millis(10);
/** A backup whose timer fires this late was paused, and listens once more before it believes the silence. */
export const pauseThreshold = millis(1000);

export function initialVrrp(config: VrrpConfig, linkUp: boolean): VrrpState {
  return {
    config,
    role: { kind: 'initialize' },
    because: 'starting',
    priority: config.priority,
    mayPreempt: true,
    source: undefined,
    master: undefined,
    fault: 'starting',
    linkUp,
    addressOn: false,
    started: false,
    masterUntil: undefined,
    cededUntil: undefined,
    stopping: undefined,
    stopped: false,
  };
}

/** How long a master that has ceded speaks on for a process that does not. */
export const cededFor = millis(5000);

/**
 * Until when another process of this node may begin as master. Others wait for the down interval anyway; with shorter ones they hear the
 * one that ceded meanwhile, and a process that takes longer than this was paused.
 */
export function bequestOf(state: VrrpState, now: Instant): Bequest | undefined {
  const { role, cededUntil } = state;
  if (role.kind !== 'master' || cededUntil === undefined) return undefined;
  return { until: Math.max(plus(role.sentAt, silenceAllowed(state)), plus(now, pauseThreshold)) as Instant };
}

/** Whether this router takes part in the election. */
export function contends({ started, fault, source, stopping, role }: VrrpState, now: Instant): boolean {
  if (!started || fault !== undefined || source === undefined) return false;
  return stopping === undefined || (role.kind === 'master' && now < stopping.leaveAt);
}

/** What this router says of itself. */
export function advertisedPriority({ stopping, priority }: VrrpState): number {
  return stopping === undefined ? priority : 1;
}

/**
 * How long a master that stops waits to be relieved: as long as any backup may take to find out that it has the higher priority.
 * The VIP is then never without a holder, as it is for the skew time after a priority of 0. It waits in vain where nobody else is, or
 * nobody preempts; where that would be too long it does not try.
 */
export function handOverPatience({ config, linkUp }: VrrpState): Millis {
  const wait = downInterval(config.version, 1, config.advertInterval) + handOverMargin;
  return millis(linkUp && wait <= longestHandOver ? wait : 0);
}

/**
 * How long a master may not send before it doubts that it still is one: its own down interval. Backups, who have the lower priority,
 * wait longer.
 */
export function silenceAllowed({ config, priority }: VrrpState): Millis {
  return downInterval(config.version, priority, config.advertInterval);
}

/**
 * How long a master in doubt listens before it is master again: whoever took over says so once in an interval. Not a whole down
 * interval, which would make an outage of a pause that nobody else noticed.
 */
export function doubtLasts({ config, priority }: VrrpState): Millis {
  return millis(config.advertInterval + skewTime(config.version, priority, config.advertInterval));
}

/** How long a relieved master waits for the new one to announce the VIP: less than one advertisement of his. */
export function lingerTime({ config }: VrrpState): Millis {
  return millis(Math.min(50, 0.8 * config.advertInterval));
}

/** When a backup that hears nothing from `now` on takes over. */
export function downAtFrom({ config, priority }: VrrpState, masterInterval: Millis, now: Instant): Instant {
  return plus(now, downInterval(config.version, priority, masterInterval));
}
