import { type Family, familyOf, type Ip, parseIp } from '../net/ip.js';
import { type Millis, millis } from '../time/instant.js';
import type { ChecksumForm, VrrpVersion } from './packet.js';

/** What the routers of one virtual router must agree on, and what is this one's own. */
export interface VrrpConfig {
  readonly version: VrrpVersion;
  /** 1 to 255. */
  readonly virtualRouterId: number;
  /** 1 to 254; 255 for who owns the addresses: it leads as soon as it runs. */
  readonly priority: number;
  /** v2: whole seconds, 1 to 255; v3: whole hundredths of a second, 10 ms to 40.95 s. */
  readonly advertInterval: Millis;
  /** Whether a backup takes over from a master of lower priority. */
  readonly preempt: boolean;
  /** How long a master of lower priority is left alone first. */
  readonly preemptDelay: Millis;
  /** v2 only; of longer ones the first eight bytes count. Empty: none. */
  readonly authPass: string;
  /** With peers every advertisement goes to each of them, and none to the group. */
  readonly unicastPeers: readonly Ip[];
  /** What is sent; both are taken. */
  readonly checksum: ChecksumForm;
  /** The addresses of the VIP: those of one family are advertised together, in this order. */
  readonly addresses: readonly Ip[];
}

const groups = { 4: parseIp('224.0.0.18') as Ip, 6: parseIp('ff02::12') as Ip } as const;

/** Where VRRP is spoken without peers (RFC 9568 sections 5.1.1.2 and 5.1.2.2). */
export function groupOf(family: Family): Ip {
  return groups[family];
}

/**
 * The protocols by which the election is spoken. v2 knows IPv4 only: IPv6 addresses move along unspoken, as keepalived's
 * `virtual_ipaddress_excluded`. The first one is the election's main one: ties are broken by its addresses.
 */
export function spokenFamilies({ version, addresses, unicastPeers }: VrrpConfig): readonly Family[] {
  const known: readonly Family[] = version === 2 ? [4] : [4, 6];
  const has = (family: Family, ips: readonly Ip[]) => ips.some((ip) => familyOf(ip) === family);
  return known.filter((family) => has(family, addresses) && (unicastPeers.length === 0 || has(family, unicastPeers)));
}

/** Skew_Time: the higher the priority, the earlier a backup takes over (RFC 3768 section 6.1, RFC 9568 section 6.1). */
export function skewTime(version: VrrpVersion, priority: number, masterInterval: Millis): Millis {
  return millis(((256 - priority) * (version === 2 ? 1000 : masterInterval)) / 256);
}

/** Active_Down_Interval: how long a master is silent when it is taken for dead. */
export function downInterval(version: VrrpVersion, priority: number, masterInterval: Millis): Millis {
  return millis(3 * masterInterval + skewTime(version, priority, masterInterval));
}
