import type { Instant } from '../time/instant.js';

/**
 * What an election, whichever it is, tells the VIP. The VIP code cannot tell which election spoke.
 *
 * The authority says what the node may do with the address:
 * - `none`: give it up at once;
 * - `proven`: take it, announce it, refresh it, but only before `until` (and afterwards, if `thenHeld`, without new proof);
 * - `unchallenged`: keep it, announce it and refresh it without an end, until someone else claims it;
 * - `suspended`: neither announce nor refresh; what the kernel has stays until its lifetime ends. If `contestable`, the election
 *   itself cannot say who leads: when nobody on the LAN answers for the address, it wants to know (`Election.unclaimed`).
 */
export type Authority =
  | { readonly kind: 'none' }
  | { readonly kind: 'proven'; readonly until: Instant; readonly thenHeld: boolean }
  | { readonly kind: 'unchallenged' }
  | { readonly kind: 'suspended'; readonly contestable: boolean };

export interface Leadership {
  readonly role: 'leader' | 'follower';
  /** Who leads as far as this node knows: a node's name. */
  readonly leader: string | undefined;
  /** The election's own word for why; the same in logs, metrics and status. */
  readonly because: string;
  readonly authority: Authority;
}
