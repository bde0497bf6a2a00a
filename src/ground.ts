import { Misconfigured } from './config/misconfigured.js';
import type { VipSettings } from './config/settings.js';
import type { InterfaceAddress, Link, Network } from './kernel/ports.js';
import type { Choice, Planes } from './planes.js';
import { chooseInterface, type InterfaceChoice } from './vip/interface.js';

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
  /** `no-interface`: it may come yet; `misconfigured`: somebody must change something. The message is a sentence with the mend. */
  | { readonly ok: false; readonly because: 'no-interface' | 'misconfigured'; readonly message: string };

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
