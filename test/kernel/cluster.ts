import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Endpoint } from '../../src/kernel/ports.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { createOtherHost, type OtherHost, run } from '../netns/network-namespace.js';
import { carryOut, type PeerOrder, type Tally } from './peer.js';

// Three control-plane hosts and a worker in one subnet, a client beyond a router. This namespace is the first control-plane host.

/** What a test asks of a host. */
export interface Host {
  serve(name: string, port: number): Promise<void>;
  /** Who answered how many connections. */
  count(connections: number, to: Endpoint): Promise<Tally>;
  /** A connection that stays open. */
  open(to: Endpoint): Promise<HeldConnection>;
}

export interface HeldConnection {
  /** Who is at the other end, or the error's code: `ECONNRESET`. */
  ask(): Promise<string>;
  /** The error's code when the connection ends, `ETIMEDOUT` when it is silent for some seconds; says nothing itself. */
  hear(): Promise<string>;
}

export interface Cluster extends Disposable {
  /** Where a VIP goes. */
  readonly device: string;
  readonly cp1: Host;
  readonly cp2: Host;
  readonly cp3: Host;
  /** In the backends' own subnet. */
  readonly worker: Host;
  /** In another subnet. */
  readonly remote: Host;
}

export const vips: Readonly<Record<Family, Ip>> = { 4: '192.0.2.100' as Ip, 6: '2001:db8:1::100' as Ip };

/** The address of the host with this number in the cluster's subnet. */
export function addressOf(number: number, family: Family): Ip {
  return (family === 4 ? `192.0.2.${number}` : `2001:db8:1::${number}`) as Ip;
}

const routerNumber = 254;
const remoteSubnet = { 4: '198.51.100.', 6: '2001:db8:2::' } as const;
const device = 'lan';

export function createCluster(): Cluster {
  const network: OtherHost[] = [];
  const processes: ChildProcess[] = [];
  const newHost = () => {
    const host = createOtherHost();
    network.push(host);
    return host;
  };
  const start = (host: OtherHost): Host => {
    const script = join(import.meta.dirname, 'peer-process.js');
    const child = spawn('ip', ['netns', 'exec', host.name, process.execPath, script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    processes.push(child);
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return hostOf(async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      return JSON.parse((await answers.next()).value ?? 'null');
    });
  };

  const lan = newHost();
  lan.run('ip', 'link', 'add', 'bridge', 'type', 'bridge', 'mcast_snooping', '0');
  lan.run('ip', 'link', 'set', 'bridge', 'up');
  const attach = (number: number, host: OtherHost | undefined) => {
    // A namespace's name, or the number of this process.
    const where = host?.name ?? String(process.pid);
    const port = `port${number}`;
    lan.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', where);
    lan.run('ip', 'link', 'set', port, 'master', 'bridge', 'up');
    const ip = (...args: readonly string[]) => (host === undefined ? run('ip', ...args) : host.run('ip', ...args));
    ip('link', 'set', device, 'up');
    ip('addr', 'add', `${addressOf(number, 4)}/24`, 'dev', device);
    ip('addr', 'add', `${addressOf(number, 6)}/64`, 'dev', device, 'nodad');
    if (number === routerNumber) return;
    ip('route', 'add', `${remoteSubnet[4]}0/24`, 'via', addressOf(routerNumber, 4));
    ip('route', 'add', `${remoteSubnet[6]}/64`, 'via', addressOf(routerNumber, 6));
  };

  const [cp2, cp3, worker, router, remote] = Array.from({ length: 5 }, newHost) as [
    OtherHost,
    OtherHost,
    OtherHost,
    OtherHost,
    OtherHost,
  ];
  attach(1, undefined);
  attach(2, cp2);
  attach(3, cp3);
  attach(9, worker);
  attach(routerNumber, router);
  router.run('ip', 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', device, 'netns', remote.name);
  for (const [host, number, name] of [
    [router, 1, 'wan'],
    [remote, 9, device],
  ] as const) {
    host.run('ip', 'link', 'set', name, 'up');
    host.run('ip', 'addr', 'add', `${remoteSubnet[4]}${number}/24`, 'dev', name);
    host.run('ip', 'addr', 'add', `${remoteSubnet[6]}${number}/64`, 'dev', name, 'nodad');
  }
  remote.run('ip', 'route', 'add', 'default', 'via', `${remoteSubnet[4]}1`);
  remote.run('ip', 'route', 'add', 'default', 'via', `${remoteSubnet[6]}1`);
  router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');

  return {
    device,
    cp1: hostOf(carryOut),
    cp2: start(cp2),
    cp3: start(cp3),
    worker: start(worker),
    remote: start(remote),
    [Symbol.dispose]() {
      for (const child of processes) child.kill();
      for (const host of network) host[Symbol.dispose]();
    },
  };
}

function hostOf(carry: (order: PeerOrder) => Promise<unknown>): Host {
  return {
    async serve(name, port) {
      await carry({ kind: 'serve', name, port });
    },
    async count(connections, to) {
      return (await carry({ kind: 'count', connections, to })) as Tally;
    },
    async open(to) {
      const connection = await carry({ kind: 'open', to });
      if (typeof connection !== 'number') throw new Error(`not connected: ${connection}`);
      return {
        ask: async () => (await carry({ kind: 'ask', connection })) as string,
        hear: async () => (await carry({ kind: 'hear', connection })) as string,
      };
    },
  };
}
