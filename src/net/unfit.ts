import { type Cidr, isSubnetRouterAnycast } from './cidr.js';
import { familyOf, ipBytes } from './ip.js';
import { isLinkLocalIpv6, isMulticastIpv6, unspecifiedIpv6 } from './ipv6.js';

/** Why no one host can have the address and be reached by it, in a few words; undefined when one can. */
export function unfitForHost(cidr: Cidr): string | undefined {
  return familyOf(cidr.ip) === 4 ? unfitIpv4(cidr) : unfitIpv6(cidr);
}

/** RFC 1122 section 3.2.1.3, RFC 1112 section 4, RFC 3021 for /31. */
function unfitIpv4({ ip, prefixLength }: Cidr): string | undefined {
  const bytes = ipBytes(ip);
  const first = bytes[0] ?? 0;
  if (first === 0) return 'unspecified';
  if (first === 127) return 'a loopback address';
  if (first >= 224 && first < 240) return 'a multicast address';
  if (bytes.every((byte) => byte === 255)) return 'the broadcast address';
  if (prefixLength >= 31) return undefined;
  const host = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) & (2 ** (32 - prefixLength) - 1);
  if (host >>> 0 === 2 ** (32 - prefixLength) - 1) return `the broadcast address of its /${prefixLength} network`;
  return host === 0 ? `the network address of its /${prefixLength} network` : undefined;
}

/** Why no one host can be reached by the address from everywhere (RFC 4291). */
function unfitIpv6(cidr: Cidr): string | undefined {
  if (cidr.ip === unspecifiedIpv6) return 'unspecified';
  if (cidr.ip === '::1') return 'a loopback address';
  if (isMulticastIpv6(cidr.ip)) return 'a multicast address';
  if (isLinkLocalIpv6(cidr.ip)) return 'a link-local address';
  return isSubnetRouterAnycast(cidr) ? `the routers' anycast address of its /${cidr.prefixLength} network` : undefined;
}
