import type { InterfaceAddress, Link } from '../kernel/ports.js';
import { type Cidr, contains, formatCidr, isSubnetRouterAnycast } from '../net/cidr.js';
import { type Family, familyOf, type Ip, ipBytes } from '../net/ip.js';

/** What a host has, as far as choosing an interface needs it. */
export interface HostView {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** The index of the interface of each family's default route. */
  readonly defaultRouteLinks: Readonly<Record<Family, number | undefined>>;
}

export type InterfaceChoice =
  | { readonly ok: true; readonly link: Link; readonly because: 'configured' | 'pattern' | 'subnet' | 'default-route' }
  /** `absent`: it may yet appear; `unfit`: somebody must change something. */
  | { readonly ok: false; readonly refusal: 'absent' | 'unfit'; readonly message: string };

interface Candidate {
  readonly link: Link;
  readonly because: 'subnet' | 'default-route';
  readonly vip: Cidr;
}

/**
 * The one interface for all addresses of a VIP: the configured one, or the one of those that match the pattern; else the one whose
 * subnets hold them, else the default route's. An address that is in no subnet goes where the others are.
 */
export function chooseInterface(
  host: HostView,
  vips: readonly Cidr[],
  configured: string | RegExp | undefined,
): InterfaceChoice {
  const reserved = vips.map((vip) => refuseReserved(host, vip)).find((message) => message !== undefined);
  if (reserved !== undefined) return { ok: false, refusal: 'unfit', message: reserved };
  if (configured instanceof RegExp) return chooseByPattern(host, vips, configured);
  if (configured !== undefined) {
    const link = host.links.find((l) => l.name === configured);
    if (link !== undefined) return { ok: true, link, because: 'configured' };
    return { ok: false, refusal: 'absent', message: `interface ${configured} does not exist; ${named(host.links)}` };
  }
  const candidates = vips.map((vip) => candidateFor(host, vip));
  const found = candidates.filter((candidate) => candidate !== undefined);
  const bySubnet = found.filter((candidate) => candidate.because === 'subnet');
  const [first, ...others] = bySubnet.length > 0 ? bySubnet : found;
  if (first === undefined || (bySubnet.length === 0 && found.length < vips.length)) {
    const homeless = vips[candidates.indexOf(undefined)] as Cidr;
    return {
      ok: false,
      refusal: 'absent',
      message: `no interface has a subnet that holds ${formatCidr(homeless)}, and there is no default route; set interface`,
    };
  }
  const other = others.find((candidate) => candidate.link.index !== first.link.index);
  if (other !== undefined) {
    const message =
      `${first.vip.ip} belongs on ${first.link.name} and ${other.vip.ip} on ${other.link.name}, but the addresses of a VIP ` +
      'are on one interface; make two VIPs, or set interface';
    return { ok: false, refusal: 'unfit', message };
  }
  return { ok: true, link: first.link, because: first.because };
}

/** Of several that match, the subnet says which; where it does not, only one may be up. */
function chooseByPattern(host: HostView, vips: readonly Cidr[], pattern: RegExp): InterfaceChoice {
  const matching = host.links.filter(({ name }) => pattern.test(name));
  const holders = new Set(vips.map((vip) => subnetOf(host, vip)?.link));
  const up = matching.filter((link) => link.up);
  for (const links of [matching, matching.filter(({ index }) => holders.has(index)), up]) {
    const [link, ...others] = links;
    if (link !== undefined && others.length === 0) return { ok: true, link, because: 'pattern' };
  }
  if (matching.length === 0)
    return { ok: false, refusal: 'absent', message: `no interface matches ${pattern}; ${named(host.links)}` };
  const which = matching.map(({ name }) => name).join(', ');
  // Those that are down may not have their addresses yet.
  const refusal = up.length === 0 ? 'absent' : 'unfit';
  const message = `${which} match ${pattern}, and not one of them alone has a subnet of the address or is up; name one`;
  return { ok: false, refusal, message };
}

function named(links: readonly Link[]): string {
  return `this host has ${links.map(({ name }) => name).join(', ')}`;
}

function candidateFor(host: HostView, vip: Cidr): Candidate | undefined {
  const holder = subnetOf(host, vip);
  const bySubnet = host.links.find((l) => l.index === holder?.link);
  if (bySubnet !== undefined) return { link: bySubnet, because: 'subnet', vip };
  const byRoute = host.links.find((l) => l.index === host.defaultRouteLinks[familyOf(vip.ip)]);
  return byRoute === undefined ? undefined : { link: byRoute, because: 'default-route', vip };
}

/** The address of this host with the narrowest subnet that holds the VIP. */
function subnetOf(host: HostView, vip: Cidr): InterfaceAddress | undefined {
  return host.addresses
    .filter((a) => a.ip !== vip.ip && a.prefixLength < 128 && contains(a, vip.ip))
    .sort((a, b) => b.prefixLength - a.prefixLength)[0];
}

function refuseReserved(host: HostView, vip: Cidr): string | undefined {
  const holder = subnetOf(host, vip);
  if (holder === undefined) return undefined;
  const subnet = formatCidr(holder);
  if (isReserved(holder, vip.ip)) return `${vip.ip} is the network or broadcast address of ${subnet}; choose another`;
  return isSubnetRouterAnycast({ ip: vip.ip, prefixLength: holder.prefixLength })
    ? `${vip.ip} is the routers' anycast address of ${subnet}; choose another`
    : undefined;
}

/** IPv4 subnets of more than two addresses keep their first and last one for themselves (RFC 922; /31 and /32 do not, RFC 3021). */
function isReserved(subnet: Cidr, ip: Ip): boolean {
  if (familyOf(ip) !== 4 || subnet.prefixLength > 30) return false;
  const host = ipBytes(ip).reduce((value, byte) => value * 256 + byte, 0) % 2 ** (32 - subnet.prefixLength);
  return host === 0 || host === 2 ** (32 - subnet.prefixLength) - 1;
}
