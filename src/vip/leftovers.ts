import { type InterfaceAddress, vipdAddressProtocol } from '../kernel/ports.js';
import type { Cidr } from '../net/cidr.js';
import { hostPrefix } from '../net/ip.js';

export interface Leftovers {
  /** Addresses to be removed before the first election message. */
  readonly remove: readonly { readonly address: InterfaceAddress; readonly because: 'ours' | 'like-a-vip' }[];
  /** VIPs that are this host's own addresses: it cannot start with them. */
  readonly own: readonly InterfaceAddress[];
}

/**
 * What an earlier life left on this host. Ours are known by IFA_PROTO. A written VIP without it that is never a source (preferred_lft
 * 0), alone (/32, /128) or with the VIP's prefix, was put there by vipd on an older kernel or by kube-vip, and would answer for the VIP
 * although this node does not lead. Any other is the node's own address: a /32 alone says nothing, cloud machines and routed hosts have
 * theirs so, and kube-proxy the addresses of Services.
 * @param vips those that are written in the settings: what a DNS answer says takes no address away that is not ours
 */
export function findLeftovers(present: readonly InterfaceAddress[], vips: readonly Cidr[]): Leftovers {
  const remove: { address: InterfaceAddress; because: 'ours' | 'like-a-vip' }[] = [];
  const own: InterfaceAddress[] = [];
  for (const address of present) {
    const vip = vips.find(({ ip }) => ip === address.ip);
    if (isOurs(address)) remove.push({ address, because: 'ours' });
    else if (vip === undefined) continue;
    else if (isLikeAVip(address, vip)) remove.push({ address, because: 'like-a-vip' });
    else own.push(address);
  }
  return { remove, own };
}

export function isOurs({ protocol }: InterfaceAddress): boolean {
  return protocol === vipdAddressProtocol;
}

function isLikeAVip({ ip, prefixLength, deprecated }: InterfaceAddress, vip: Cidr): boolean {
  return deprecated && (prefixLength === hostPrefix(ip) || prefixLength === vip.prefixLength);
}
