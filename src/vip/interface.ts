import type { InterfaceAddress, Link } from '../kernel/ports.js';
import { type Cidr, contains, formatCidr } from '../net/cidr.js';
import { familyOf, type Ip, ipBytes } from '../net/ip.js';

/** What a host has, as far as choosing an interface needs it. */
export interface HostView {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly defaultRouteLink: number | undefined;
}

export type InterfaceChoice =
  | { readonly ok: true; readonly link: Link; readonly because: 'configured' | 'subnet' | 'default-route' }
  | { readonly ok: false; readonly message: string };

/** The interface for a VIP: the configured one, else the one whose subnet holds the address, else the default route's. */
export function chooseInterface(host: HostView, vip: Cidr, configured: string | undefined): InterfaceChoice {
  const holder = host.addresses
    .filter(
      (a) => a.ip !== vip.ip && a.prefixLength < 128 && contains({ ip: a.ip, prefixLength: a.prefixLength }, vip.ip),
    )
    .sort((a, b) => b.prefixLength - a.prefixLength)[0];
  if (holder !== undefined && isReserved(holder, vip.ip)) {
    const message = `${vip.ip} is the network or broadcast address of ${holder.ip}/${holder.prefixLength}; choose another`;
    return { ok: false, message };
  }
  if (configured !== undefined) {
    const link = host.links.find((l) => l.name === configured);
    if (link !== undefined) return { ok: true, link, because: 'configured' };
    const names = host.links.map((l) => l.name).join(', ');
    return { ok: false, message: `interface ${configured} does not exist; this host has ${names}` };
  }
  const bySubnet = host.links.find((l) => l.index === holder?.link);
  if (bySubnet !== undefined) return { ok: true, link: bySubnet, because: 'subnet' };
  const byRoute = host.links.find((l) => l.index === host.defaultRouteLink);
  if (byRoute !== undefined) return { ok: true, link: byRoute, because: 'default-route' };
  return {
    ok: false,
    message: `no interface has a subnet that holds ${formatCidr(vip)}, and there is no default route; set interface`,
  };
}

/** IPv4 subnets of more than two addresses keep their first and last one for themselves (RFC 922; /31 and /32 do not, RFC 3021). */
function isReserved(subnet: Cidr, ip: Ip): boolean {
  if (familyOf(ip) !== 4 || subnet.prefixLength > 30) return false;
  const host = ipBytes(ip).reduce((value, byte) => value * 256 + byte, 0) % 2 ** (32 - subnet.prefixLength);
  return host === 0 || host === 2 ** (32 - subnet.prefixLength) - 1;
}
