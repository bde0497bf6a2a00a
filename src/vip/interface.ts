import type { InterfaceAddress, Link } from '../kernel/ports.js';
import { type Cidr, contains, formatCidr } from '../net/cidr.js';

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
  if (configured !== undefined) {
    const link = host.links.find((l) => l.name === configured);
    if (link !== undefined) return { ok: true, link, because: 'configured' };
    const names = host.links.map((l) => l.name).join(', ');
    return { ok: false, message: `interface ${configured} does not exist; this host has ${names}` };
  }
  const holder = host.addresses
    .filter(
      (a) => a.ip !== vip.ip && a.prefixLength < 128 && contains({ ip: a.ip, prefixLength: a.prefixLength }, vip.ip),
    )
    .sort((a, b) => b.prefixLength - a.prefixLength)[0];
  const bySubnet = host.links.find((l) => l.index === holder?.link);
  if (bySubnet !== undefined) return { ok: true, link: bySubnet, because: 'subnet' };
  const byRoute = host.links.find((l) => l.index === host.defaultRouteLink);
  if (byRoute !== undefined) return { ok: true, link: byRoute, because: 'default-route' };
  return {
    ok: false,
    message: `no interface has a subnet that holds ${formatCidr(vip)}, and there is no default route; set interface`,
  };
}
