import { earliest, type Instant, type Millis } from '../time/instant.js';
import type { AnnouncementConfig, AnnouncementSchedule } from './schedule.js';

export interface VipConfig {
  /**
   * Whether the LAN is asked before the address is taken. With a Lease it is: who lost it may not know yet. With VRRP the protocol
   * itself decides: a router that goes still answers ARP for the address, and waiting for it would be the outage.
   */
  readonly probeFirst: boolean;
  /**
   * How long to wait for a node that still answers for the address: as long as a holder that cannot be told otherwise may have
   * proof. Who answers after that is no vipd, or a broken one, and does not keep the VIP from its clients.
   */
  readonly patience: Millis;
  readonly deadManSwitch: Millis | 'off';
  readonly announce: AnnouncementConfig;
}

export type Stage =
  | { readonly kind: 'off' }
  /** Asking whether the address is still on the node that lost it; no longer than `patience`. */
  | { readonly kind: 'probing'; readonly nextAt: Instant; readonly patience: Instant; readonly answered: boolean }
  | { readonly kind: 'adding'; readonly refreshAt: Instant }
  | { readonly kind: 'opening'; readonly refreshAt: Instant }
  | { readonly kind: 'serving'; readonly refreshAt: Instant; readonly schedule: AnnouncementSchedule }
  /** Ending what clients have open, while the address is still here to say so. */
  | { readonly kind: 'resetting' }
  | { readonly kind: 'removing'; readonly retryAt: Instant | undefined }
  | { readonly kind: 'closing' };

/** Why this node cannot serve the VIP. */
export type Fault = 'link-down' | 'address-refused';

export interface VipState {
  readonly config: VipConfig;
  readonly stage: Stage;
  readonly linkUp: boolean;
  /** When a link that went down becomes a fault. */
  readonly faultAt: Instant | undefined;
  readonly fault: Fault | undefined;
  /** When a node whose kernel refused the address tries again. */
  readonly recoverAt: Instant | undefined;
  /** The address is here from an earlier process of this node: to be refreshed, or removed, and not asked for on the LAN. */
  readonly isInherited: boolean;
  readonly lastOperation: number;
  /** The operation whose answer the stage waits for. */
  readonly awaited: number;
  /** The latest refresh of the address, and since when refreshes are refused. */
  readonly refreshing: number;
  readonly failingSince: Instant | undefined;
  /** In doubt without the API: since when nobody answered for the address, and when to ask again. */
  readonly quiet: { readonly since: Instant; readonly nextAt: Instant } | undefined;
  readonly defendedAt: Instant | undefined;
}

/** `stale`: not carried out, because the process was paused between the decision and the deed. */
export type OperationResult = 'ok' | 'refused' | 'stale';

export type VipEvent =
  | { readonly kind: 'tick' }
  | { readonly kind: 'done'; readonly operation: number; readonly result: OperationResult }
  /** The address left the interface: somebody removed it, or its lifetime ended. */
  | { readonly kind: 'address-removed' }
  | { readonly kind: 'link'; readonly up: boolean }
  /** The interface has another hardware address. */
  | { readonly kind: 'mac-changed' }
  /** Another host says that it has the address, or asks whether it may have it. */
  | { readonly kind: 'heard'; readonly what: 'claim' | 'probe' }
  /** The election put another right who thought that he leads: hosts may have learnt his way to the address. */
  | { readonly kind: 'contested' };

export type VipEffect =
  | { readonly kind: 'probe' }
  /** Another host answered to the end of its time: the address is taken all the same. */
  | { readonly kind: 'overrule' }
  /** Adds the address or gives it a new lifetime. */
  | { readonly kind: 'put'; readonly operation: number; readonly lifetime: Millis | 'forever' }
  /** Opens the data path. */
  | { readonly kind: 'open'; readonly operation: number }
  | { readonly kind: 'announce' }
  /** Ends what clients have open through this node, so that none waits for an answer that cannot come. */
  | { readonly kind: 'reset'; readonly operation: number }
  | { readonly kind: 'remove'; readonly operation: number }
  | { readonly kind: 'close'; readonly operation: number }
  /** To the election: whether this node can serve; whether the address is, or may be, here; that another claims it. */
  | { readonly kind: 'able'; readonly able: boolean }
  | { readonly kind: 'address'; readonly on: boolean }
  | { readonly kind: 'claimed' }
  /** Asked again and again, nobody on the LAN said that the address is his. */
  | { readonly kind: 'unclaimed' };

export function initialVip(config: VipConfig, linkUp: boolean, now: Instant): VipState {
  return {
    config,
    stage: { kind: 'off' },
    linkUp,
    faultAt: linkUp ? undefined : now,
    fault: undefined,
    recoverAt: undefined,
    isInherited: false,
    lastOperation: 0,
    awaited: 0,
    refreshing: 0,
    failingSince: undefined,
    quiet: undefined,
    defendedAt: undefined,
  };
}

/** When the machine wants to be stepped next, whatever happens. */
export function nextVipDeadline(state: VipState): Instant | undefined {
  const { stage } = state;
  const faults = earliest(state.faultAt, state.recoverAt, state.quiet?.nextAt);
  switch (stage.kind) {
    case 'probing':
      return earliest(faults, stage.nextAt);
    case 'adding':
    case 'opening':
      return earliest(faults, stage.refreshAt);
    case 'serving':
      return earliest(faults, stage.refreshAt, stage.schedule.nextAt);
    case 'removing':
      return earliest(faults, stage.retryAt);
    default:
      return faults;
  }
}

/** Whether the address is, or may be, on this node. */
export function isHeld(state: VipState): boolean {
  if (state.isInherited) return true;
  return state.stage.kind !== 'off' && state.stage.kind !== 'probing' && state.stage.kind !== 'closing';
}
