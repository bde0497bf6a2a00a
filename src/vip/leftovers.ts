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
 * What an earlier life left on this host. Ours are known by IFA_PROTO. A configured VIP without it that stands alone (/32 or
 * /128), or has the VIP's prefix and is never a source (preferred_lft 0), was put there by vipd on an older kernel, by kube-vip or by
 * hand, and would answer for the VIP although this node does not lead; any other is the node's own address.
 */
export function findLeftovers(present: readonly InterfaceAddress[], vips: readonly Cidr[]): Leftovers {
  const remove: { address: InterfaceAddress; because: 'ours' | 'like-a-vip' }[] = [];
  const own: InterfaceAddress[] = [];
  for (const address of present) {
    const vip = vips.find(({ ip }) => ip === address.ip);
    if (address.protocol === vipdAddressProtocol) remove.push({ address, because: 'ours' });
    else if (vip === undefined) continue;
    else if (isLikeAVip(address, vip)) remove.push({ address, because: 'like-a-vip' });
    else own.push(address);
  }
  return { remove, own };
}

function isLikeAVip({ ip, prefixLength, deprecated }: InterfaceAddress, vip: Cidr): boolean {
  return prefixLength === hostPrefix(ip) || (deprecated && prefixLength === vip.prefixLength);
}
