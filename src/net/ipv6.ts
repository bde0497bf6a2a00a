import { type Ip, ipBytes, ipFromBytes, parseIp } from './ip.js';
import { type Mac, macFromBytes } from './mac.js';

// Addresses of IPv6 that have a meaning of their own (RFC 4291).

export const unspecifiedIpv6 = parseIp('::') as Ip;
export const allNodes = parseIp('ff02::1') as Ip;

export function isMulticastIpv6(ip: Ip): boolean {
  return ipBytes(ip)[0] === 0xff;
}

/** Of one link alone (fe80::/10): it needs an interface beside it. */
export function isLinkLocalIpv6(ip: Ip): boolean {
  const [first = 0, second = 0] = ipBytes(ip);
  return first === 0xfe && second >> 6 === 0b10;
}

/** The IPv4 address that an IPv4-mapped one means (RFC 4291 section 2.5.5.2); undefined for any other. */
export function mappedIpv4(ip: Ip): Ip | undefined {
  return ip.startsWith('::ffff:') && ip.includes('.') ? (ip.slice('::ffff:'.length) as Ip) : undefined;
}

/** The group in which whoever has the address, or wants it, is found (RFC 4291 section 2.7.1). */
export function solicitedNodeGroup(ip: Ip): Ip {
  const prefix = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff);
  return ipFromBytes(Uint8Array.of(...prefix, ...ipBytes(ip).subarray(-3))) as Ip;
}

/** The hardware address of frames to a group (RFC 2464 section 7). */
export function groupMac(group: Ip): Mac {
  return macFromBytes(Uint8Array.of(0x33, 0x33, ...ipBytes(group).subarray(-4))) as Mac;
}
