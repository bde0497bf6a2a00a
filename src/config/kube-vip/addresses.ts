import { parseCidr } from '../../net/cidr.js';
import { familyOf, hostPrefix, type Ip, parseIp } from '../../net/ip.js';
import { type GivenTexts, type Outcome, wholeNumber } from './setting.js';

/** `address` may be a list, of names too; the prefixes of `vip_subnet` (once `vip_cidr`) are IPv4's, then IPv6's. */
export function carryAddresses(text: string, given: GivenTexts): Outcome {
  const parts = text.split(',').map((part) => part.trim());
  const ips = parts.map(parseIp);
  const prefixes = readPrefixes(given.text('vip_subnet') ?? given.text('vip_cidr')) ?? [];
  const hasBoth = ([4, 6] as const).every((family) => ips.some((ip) => ip !== undefined && familyOf(ip) === family));
  return { set: { addresses: parts.map((part, i) => withPrefix(part, ips[i], prefixes, hasBoth)) } };
}

/** Undefined where it is neither a prefix nor two; the slash before one is left out or not. */
export function readPrefixes(text: string | undefined): readonly number[] | undefined {
  const parts = text?.split(',').map((part) => wholeNumber(part.trim().replace(/^\//, ''), 0, 128)) ?? [];
  const prefixes = parts.filter((part) => part !== undefined);
  return prefixes.length === parts.length && parts.length <= 2 ? prefixes : undefined;
}

function withPrefix(part: string, ip: Ip | undefined, prefixes: readonly number[], hasBoth: boolean): string {
  if (ip === undefined) return part;
  const [first, second] = prefixes;
  const isIpv6 = familyOf(ip) === 6;
  // One prefix for addresses of both families is IPv4's where it can be.
  const isMeant = second !== undefined || !(isIpv6 && hasBoth && first !== undefined && first <= 32);
  const prefix = isIpv6 && second !== undefined ? second : isMeant ? first : undefined;
  if (prefix === undefined || prefix === hostPrefix(ip)) return ip;
  return parseCidr(`${ip}/${prefix}`) === undefined ? ip : `${ip}/${prefix}`;
}
