import type { Cidr } from '../net/cidr.js';
import type { Found, FoundSettings } from './found.js';
import type { Tracked } from './keepalived-tracking.js';

/** A `vrrp_instance`, or several that a group moves together, in vipd's settings. */
export interface Instance {
  readonly name: Found<string>;
  readonly addresses: readonly Found<Cidr>[];
  readonly settings: FoundSettings;
  readonly tracked: Tracked;
}
