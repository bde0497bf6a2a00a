import type { Ip } from '../net/ip.js';
import type { LeadershipEvent, LeaseReference } from './api.js';

/** This node has taken a VIP, or has given it up. */
export interface VipChange {
  readonly vip: { readonly name: string; readonly ips: readonly Ip[] };
  readonly serves: boolean;
  /** The same word as in log, metrics and status. */
  readonly because: string;
}

/** The longest name that leaves room for what is added to it (253). */
const longestName = 200;

/**
 * The Event that tells of a change.
 * @param mark tells this change from others of the same millisecond
 * @param untold how many changes before it were kept back
 */
export function eventOf(
  { vip, serves, because }: VipChange,
  where: { readonly node: string; readonly lease: LeaseReference; readonly at: Date; readonly mark: string },
  untold: number,
): LeadershipEvent {
  const { node, lease, at, mark } = where;
  const deed = serves ? 'took' : 'gave up';
  const before = untold === 0 ? '' : ` (${untold} changes before it were not told)`;
  // As client-go names its events, but that two nodes can be as quick as one.
  const name = lease.name.slice(0, longestName).replace(/[^a-z0-9]+$/, '');
  return {
    name: `${name}.${at.getTime().toString(16)}.${mark}`,
    regarding: lease,
    // Whoever is told to stop does what is asked; all else took the VIP from a node that wanted it.
    type: serves || because === 'stopping' ? 'Normal' : 'Warning',
    reason: serves ? 'VipTaken' : 'VipGivenUp',
    message: `${node} ${deed} VIP ${vip.name} (${vip.ips.join(', ')}): ${because}${before}`,
    node,
    at,
  };
}
