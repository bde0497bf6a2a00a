import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askStatus } from '../../src/admin/client.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host, type Network } from '../../src/lab/network.js';
import { etherTypeArp } from '../../src/net/ethernet.js';
import { type Ip, ipBytes } from '../../src/net/ip.js';
import { captureFrames } from './frame-capture.js';
import { startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';

export const contestants = ['keepalived', 'vipd'] as const;
export type Contestant = (typeof contestants)[number];

/** What both routers are set up by. `advertInterval`: milliseconds. */
export interface Timers {
  readonly version: 2 | 3;
  readonly advertInterval: number;
}

export const vip = '10.77.0.100' as Ip;

/** Something that the second router sent or received, by the kernel's wall clock: milliseconds since 1970. */
export interface Sighting {
  readonly at: number;
  readonly by: 'first' | 'second';
  /** `announcement`: gratuitous ARP; `answer`: the server's side of a TCP handshake. */
  readonly what: 'advertisement' | 'announcement' | 'answer';
}

export interface Pair {
  readonly network: Network;
  /** The master by priority. */
  readonly first: Host;
  readonly second: Host;
  readonly client: Host;
  readonly daemons: Readonly<Record<'first' | 'second', Daemon>>;
  /** Admin sockets, if it is vipd. */
  readonly sockets: Readonly<Record<'first' | 'second', string>>;
  /** What passed the second's interface, in order; grows. */
  readonly sightings: readonly Sighting[];
}

/** What is put into the first's and the second's vipd.yaml besides: `loadBalancer`, `metrics`. */
export interface Extras {
  readonly vipd?: { readonly loadBalancer?: object; readonly metrics?: object };
}

interface Router {
  readonly daemon: Daemon;
  /** Has heard the master and is content. */
  isBackup(): Promise<boolean>;
}

type Start = (host: Host, folder: string, priority: number, timers: Timers, extras: Extras) => Promise<Router>;

const starts: Readonly<Record<Contestant, Start>> = {
  async vipd(host, folder, priority, { version, advertInterval }, extras) {
    const config = join(folder, `${host.name}.yaml`);
    const socket = socketOf(host, folder);
    const vrrp = { version, priority, advertInterval: `${advertInterval}ms` };
    const loadBalancer = extras.vipd?.loadBalancer ?? { mode: 'off' };
    const settings = {
      node: { name: host.name },
      vips: [{ name: 'web', addresses: [vip], interface: 'eth0', election: { type: 'vrrp', vrrp }, loadBalancer }],
      metrics: extras.vipd?.metrics ?? { listen: 'off' },
      admin: { socket },
      log: { format: 'text' },
    };
    await writeFile(config, JSON.stringify(settings));
    const command = [program.script, 'start', '--config', config];
    const daemon = await startDaemon(host, program.node, command, join(folder, `${host.name}.log`));
    return {
      daemon,
      async isBackup() {
        const answer = await askStatus(socket);
        const status = answer.ok ? answer.status.vips[0] : undefined;
        return status?.role === 'follower' && status.leader !== undefined;
      },
    };
  },
  async keepalived(host, folder, priority, { version, advertInterval }) {
    const settings = { version, priority, advertInterval: advertInterval / 1000, vips: [vip] };
    const keepalived = await startKeepalived(host, folder, host.name, settings);
    return { daemon: keepalived.daemon, isBackup: async () => (await keepalived.states()).at(-1) === 'BACKUP' };
  },
};

/** Two routers of one contestant and a client on one switch; the first is master, the second has heard it. */
export async function withPair(
  contestant: Contestant,
  timers: Timers,
  folder: string,
  use: (pair: Pair) => Promise<void>,
  extras: Extras = {},
): Promise<void> {
  const network = await createNetwork('pair', process.pid);
  try {
    const addHost = (name: string, number: number) => network.addHost(name, `10.77.0.${number}/24`);
    const [first, second, client] = await Promise.all([addHost('lb1', 11), addHost('lb2', 12), addHost('client', 50)]);
    const start = (host: Host, priority: number) => starts[contestant](host, folder, priority, timers, extras);
    const master = await start(first, 150);
    await until(() => holds(first), { what: 'the first to have the VIP' });
    const sightings: Sighting[] = [];
    await captureFrames(second, 'arp or proto 112 or tcp', (at, { source, etherType, payload }) => {
      const by = source === first.mac ? 'first' : source === second.mac ? 'second' : undefined;
      const what = kindOf(etherType, payload);
      if (by !== undefined && what !== undefined) sightings.push({ at, by, what });
    });
    const backup = await start(second, 100);
    await until(backup.isBackup, { what: 'the second to be backup' });
    const heard = sightings.length;
    const advertisements = () => sightings.slice(heard).filter(({ what }) => what === 'advertisement');
    await until(() => advertisements().length > 2, { what: 'advertisements' });
    if (await holds(second)) throw new Error('the second has the VIP too');
    const daemons = { first: master.daemon, second: backup.daemon };
    const sockets = { first: socketOf(first, folder), second: socketOf(second, folder) };
    await use({ network, first, second, client, daemons, sockets, sightings });
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

function socketOf(host: Host, folder: string): string {
  return join(folder, `${host.name}.sock`);
}

async function holds(host: Host): Promise<boolean> {
  return (await host.addresses()).some(({ ip }) => ip === vip);
}

function kindOf(etherType: number, payload: Uint8Array): Sighting['what'] | undefined {
  const isVip = (offset: number) => ipBytes(vip).every((byte, i) => payload[offset + i] === byte);
  if (etherType === etherTypeArp) return isVip(14) && isVip(24) ? 'announcement' : undefined;
  // IPv4 without options, which nobody here sends except VRRP's neighbours: protocol, TCP's flags SYN and ACK.
  if (payload[9] === 112) return 'advertisement';
  return payload[9] === 6 && isVip(12) && ((payload[33] ?? 0) & 0x12) === 0x12 ? 'answer' : undefined;
}
