import { Misconfigured } from './config/misconfigured.js';
import type { VipSettings } from './config/settings.js';
import type { InterfaceAddress, Link, Network } from './kernel/ports.js';
import { formatCidr } from './net/cidr.js';
import { hostPrefix, type Ip } from './net/ip.js';
import { mappedIpv4 } from './net/ipv6.js';
import { unfitForHost } from './net/unfit.js';
import type { Choice, Planes } from './planes.js';
import type { Log } from './telemetry/log.js';
import { chooseInterface, type InterfaceChoice } from './vip/interface.js';
import { isOurs } from './vip/leftovers.js';

/** What of this host a VIP stands on. */
export interface Ground {
  readonly link: Link;
  /** How the interface was chosen. */
  readonly because: (InterfaceChoice & { readonly ok: true })['because'];
  /** The host's addresses when it was. */
  readonly addresses: readonly InterfaceAddress[];
  readonly choice: Choice;
}

export type Found =
  | { readonly ok: true; readonly ground: Ground }
  /**
   * `no-interface`: it may come yet; `unfit-address`: the name must get another; `misconfigured`: somebody must change something. The
   * message is a sentence with the mend.
   */
  | {
      readonly ok: false;
      readonly because: 'no-interface' | 'unfit-address' | 'misconfigured';
      readonly message: string;
    };

/** What this host has for the VIP at this moment. Rejects with KernelError when the kernel refuses to say. */
export async function findGround(network: Network, planes: Planes, vip: VipSettings): Promise<Found> {
  const [links, addresses, route4, route6] = await Promise.all([
    network.links(),
    network.addresses(),
    network.defaultRouteLink(4),
    network.defaultRouteLink(6),
  ]);
  const host = { links, addresses, defaultRouteLinks: { 4: route4, 6: route6 } };
  const chosen = chooseInterface(host, vip.addresses, vip.interface);
  if (!chosen.ok) {
    const because = chosen.refusal === 'absent' ? 'no-interface' : 'misconfigured';
    return { ok: false, because, message: `vips: ${vip.name}: ${chosen.message} (--interface, VIPD_INTERFACE)` };
  }
  try {
    const choice = await planes.choose(vip);
    return { ok: true, ground: { link: chosen.link, because: chosen.because, addresses, choice } };
  } catch (error) {
    if (!(error instanceof Misconfigured)) throw error;
    return { ok: false, because: 'misconfigured', message: error.message };
  }
}

/**
 * Whether addresses that came from names can be those of a VIP: undefined when they can. What an earlier life left of them on this host
 * is removed then, but only what has vipd's mark: whoever answers for a name must not take an address from this host.
 */
export async function admitAddresses(
  { network, planes, log }: { readonly network: Network; readonly planes: Planes; readonly log: Log },
  ips: readonly Ip[],
): Promise<(Found & { readonly ok: false }) | undefined> {
  const refuse = (ip: Ip, what: string) =>
    ({ ok: false, because: 'unfit-address', message: `${ip} is ${what}; give the name another address` }) as const;
  for (const ip of ips) {
    const what = mappedIpv4(ip) === undefined ? unfitForHost({ ip, prefixLength: hostPrefix(ip) }) : 'IPv4 in disguise';
    if (what !== undefined) return refuse(ip, `${what}, which cannot be a virtual IP`);
  }
  const present = (await network.addresses()).filter((address) => ips.includes(address.ip));
  const own = present.find((address) => !isOurs(address));
  if (own !== undefined) return refuse(own.ip, `this host's own address (${formatCidr(own)})`);
  for (const address of present) {
    await network.removeAddress(address);
    log.warn('leftover removed', { address: formatCidr(address), because: 'ours' });
  }
  await planes.removeServices(ips);
  return undefined;
}
