import { Misconfigured } from './config/misconfigured.js';
import type { Settings, VipSettings } from './config/settings.js';
import { MissingPrivilege } from './kernel/missing-privilege.js';
import type { Capabilities, Network } from './kernel/ports.js';
import { formatCidr } from './net/cidr.js';
import type { Log } from './telemetry/log.js';
import { findLeftovers } from './vip/leftovers.js';

/** The capabilities that the settings need, by name without `CAP_`, and each one's purpose, to follow "to". */
export function neededCapabilities(settings: Settings): readonly (readonly [name: string, purpose: string])[] {
  const lowPorts = settings.vips
    .filter((vip) => vip.loadBalancer.mode !== 'off' && vip.loadBalancer.backends.from === 'static')
    .flatMap((vip) => vip.loadBalancer.ports)
    .concat(settings.metrics.listen?.port ?? [], settings.health.listen?.port ?? [])
    .filter((port) => port > 0 && port < 1024);
  return [
    ['NET_ADMIN', 'put the VIP on an interface'],
    ['NET_RAW', 'announce the VIP on the LAN'],
    ...(lowPorts.length > 0 ? [['NET_BIND_SERVICE', `listen on port ${lowPorts[0]}`] as const] : []),
  ];
}

/** Throws MissingPrivilege for the first capability that the settings need and this process lacks. */
export function requireCapabilities(capabilities: Capabilities, settings: Settings): void {
  const effective = capabilities.effective();
  for (const [capability, purpose] of neededCapabilities(settings)) {
    if (!effective.has(capability)) throw new MissingPrivilege(capability, purpose);
  }
}

/** A quarter of these is never a client's (native/relay_group.c): it does for what elections, checks and the address itself need. */
const openFilesLeast = 256;

/** Throws an Error when this process may have so few files open that clients could take what keeps the VIP. */
export function requireOpenFiles(limit: number): void {
  if (limit < openFilesLeast)
    throw new Error(
      `this process may have ${limit} files open at once, and vipd needs at least ${openFilesLeast}: raise the limit ` +
        '(LimitNOFILE= in a systemd unit, ulimit -Hn in a shell)',
    );
}

/** Removes what an earlier life left on this host. Throws Misconfigured when a VIP is this host's own address. */
export async function removeLeftovers(network: Network, vips: readonly VipSettings[], log: Log): Promise<void> {
  const cidrs = vips.flatMap((vip) => vip.addresses);
  const leftovers = findLeftovers(await network.addresses(), cidrs);
  const own = leftovers.own[0];
  if (own !== undefined) {
    const links = await network.links();
    const name = links.find((l) => l.index === own.link)?.name ?? own.link;
    throw new Misconfigured(
      `vips: ${own.ip} is this host's own address (${formatCidr(own)} on ${name}); if another program has left it there, take it off ` +
        `(ip address delete ${formatCidr(own)} dev ${name}), else choose an address that no host has`,
    );
  }
  for (const { address, because } of leftovers.remove) {
    await network.removeAddress(address);
    log.warn('leftover removed', { address: formatCidr(address), because });
  }
}
