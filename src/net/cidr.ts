import { familyOf, hostPrefix, type Ip, ipBytes, parseIp } from './ip.js';

/** An address with its prefix length: `192.168.1.100/24`. Not masked: the host bits are kept. */
export interface Cidr {
  readonly ip: Ip;
  readonly prefixLength: number;
}

/** Reads `address` or `address/prefix`; without a prefix it is the host's (/32, /128). Undefined if it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined) return undefined;
  if (slash < 0) return { ip, prefixLength: hostPrefix(ip) };
  const prefix = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > hostPrefix(ip)) return undefined;
  return { ip, prefixLength: Number(prefix) };
}

export function formatCidr(cidr: Cidr): string {
  return `${cidr.ip}/${cidr.prefixLength}`;
}

/** Whether `ip` lies in the network of `cidr`; addresses of the other family never do. */
export function contains(cidr: Cidr, ip: Ip): boolean {
  if (familyOf(cidr.ip) !== familyOf(ip)) return false;
  const network = ipBytes(cidr.ip);
  const address = ipBytes(ip);
  for (let bit = 0; bit < cidr.prefixLength; bit += 8) {
    const mask = 0xff & (0xff00 >> Math.min(8, cidr.prefixLength - bit));
    if ((((network[bit >> 3] ?? 0) ^ (address[bit >> 3] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** IPv6 subnets keep the address of zeros for "any router" (RFC 4291 section 2.6.1; those of two addresses do not, RFC 6164). */
export function isSubnetRouterAnycast(cidr: Cidr): boolean {
  if (familyOf(cidr.ip) !== 6 || cidr.prefixLength > 126) return false;
  const bits = Array.from(ipBytes(cidr.ip), (byte) => byte.toString(2).padStart(8, '0')).join('');
  return !bits.slice(cidr.prefixLength).includes('1');
}
