import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import { type Family, familyOf, type Ip } from '../../src/net/ip.js';
import { decodeIpPacket } from '../../src/net/ip-packet.js';
import type { VipStatus } from '../../src/vip/status.js';
import { decodeAdvertisement } from '../../src/vrrp/packet.js';
import { captureFrames } from './frame-capture.js';
import { type HeldAddresses, heldAddresses } from './held-addresses.js';
import { type Keepalived, type KeepalivedSettings, startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';

/** How the two speak. */
export interface Variant {
  readonly version: 2 | 3;
  readonly family: Family;
  /** Milliseconds. */
  readonly interval: number;
  readonly isUnicast: boolean;
  readonly authPass?: string;
}

const vips = { 4: '10.77.0.100' as Ip, 6: 'fd77::100' as Ip } as const;

/** An advertisement as it left its host; `at` by the wall clock, in milliseconds since 1970. */
export interface Seen {
  readonly at: number;
  readonly source: Ip;
  readonly priority: number;
  readonly hopLimit: number;
}

export interface BesidePlace {
  readonly ours: Host;
  readonly theirs: Host;
  readonly vip: Ip;
  /** What either host has sent. */
  readonly seen: readonly Seen[];
  addHost(name: string, number: number): Promise<Host>;
  startVipd(): Promise<Daemon>;
  /** vipd's admin socket. */
  readonly socket: string;
  /** @param differences from what vipd is set up by */
  startTheirs(differences?: Partial<KeepalivedSettings>): Promise<Keepalived>;
  status(): Promise<VipStatus>;
  holds(host: Host): Promise<boolean>;
  /** As the kernels told it. */
  readonly held: HeldAddresses;
  /** Of which host an advertisement is. */
  isBy(host: Host, advertisement: Seen): boolean;
}

/**
 * A host with vipd and one with keepalived, set up alike.
 * @param keys of vipd's VIP, beside what both agree on
 */
export async function besideKeepalived(
  variant: Variant,
  priorities: { readonly vipd: number; readonly keepalived: number },
  use: (place: BesidePlace) => Promise<void>,
  keys: object = {},
): Promise<void> {
  const { version, family, interval, isUnicast, authPass } = variant;
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('vrrp', process.pid);
  try {
    const addHost = (name: string, number: number) =>
      network.addHost(name, `10.77.0.${number}/24`, `fd77::${number}/64`);
    const [ours, theirs] = await Promise.all([addHost('lb1', 11), addHost('lb2', 12)]);
    const vip = vips[family];
    const addressOf = (host: Host) => host.ips.find((ip) => familyOf(ip) === family) as Ip;
    const seen: Seen[] = [];
    const held = heldAddresses();
    await Promise.all([held.watch(ours), held.watch(theirs)]);
    const macs = new Map<Seen, string>();
    // Each as its sender sees it: a capture on both hosts would see multicast twice.
    for (const host of [ours, theirs]) {
      await captureFrames(host, `ether src ${host.mac} and (proto 112 or ip6 proto 112)`, (at, frame) => {
        const packet = decodeIpPacket(frame.payload);
        if (!packet.ok) return;
        const message = decodeAdvertisement(packet.value);
        if (!message.ok) return;
        const { source, hopLimit } = packet.value;
        const advertisement = { at, source, hopLimit, priority: message.value.priority };
        macs.set(advertisement, frame.source);
        seen.push(advertisement);
      });
    }
    const socket = join(folder, 'vipd.sock');
    const config = join(folder, 'vipd.yaml');
    const unicast = isUnicast ? { unicastSource: addressOf(ours), unicastPeers: [addressOf(theirs)] } : {};
    const vrrp = { version, priority: priorities.vipd, advertInterval: `${interval}ms`, authPass: authPass ?? '' };
    await writeFile(
      config,
      JSON.stringify({
        node: { name: 'lb1' },
        vips: [
          {
            name: 'web',
            addresses: [vip],
            interface: 'eth0',
            election: { type: 'vrrp', vrrp: { ...vrrp, ...unicast } },
            loadBalancer: { mode: 'off' },
            ...keys,
          },
        ],
        metrics: { listen: 'off' },
        admin: { socket },
        log: { format: 'text' },
      }),
    );
    await use({
      ours,
      theirs,
      vip,
      seen,
      held,
      socket,
      startVipd: () =>
        startDaemon(ours, program.node, [program.script, 'start', '--config', config], join(folder, 'vipd.log')),
      addHost,
      startTheirs: (differences = {}) =>
        startKeepalived(theirs, folder, 'keepalived', {
          version,
          priority: priorities.keepalived,
          advertInterval: interval / 1000,
          vips: [vip],
          ...(authPass === undefined ? {} : { authPass }),
          ...(isUnicast ? { unicast: { sources: [addressOf(theirs)], peers: [addressOf(ours)] } } : {}),
          ...differences,
        }),
      status: () =>
        until(
          async () => {
            const answer = await askStatus(socket);
            return answer.ok ? answer.status.vips[0] : undefined;
          },
          { what: 'an answer of vipd' },
        ),
      holds: async (host) => (await host.addresses()).some(({ ip }) => ip === vip),
      isBy: (host, advertisement) => macs.get(advertisement) === host.mac,
    });
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}
