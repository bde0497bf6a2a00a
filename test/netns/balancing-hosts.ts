import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { BalancedBackend, BalancedService } from '../../src/kernel/ports.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { createOtherHost, type OtherHost, run } from './network-namespace.js';
import { clock, until } from './poll.js';

export const families = [4, 6] as const;
type Addresses = Readonly<Record<4 | 6, Ip>>;

const lan = (number: number): Addresses => ({ 4: `192.0.2.${number}` as Ip, 6: `2001:db8::${number}` as Ip });
const far = (number: number): Addresses => ({ 4: `198.51.100.${number}` as Ip, 6: `2001:db8:1::${number}` as Ip });

/** This namespace's host, which leads, and the others of its LAN; the last one of them is no backend. */
const leader = lan(1);
export const others = { cp2: lan(2), cp3: lan(3), neighbour: lan(9) } as const;
/** Behind this host: nobody else knows a way there. */
const remote = far(9);
export const vip = lan(100);
export const port = 6443;

/** Where clients are: in another network, in the backends' own, on a backend that does not lead, on the leader. */
export const places = ['remote', 'neighbour', 'cp2', 'leader'] as const;
export const backendNames = ['leader', 'cp2', 'cp3'] as const;
export type BackendName = (typeof backendNames)[number];
export type Place = (typeof places)[number] | 'cp3';

/** The address of a backend. */
export function addressOf(name: BackendName, family: Family): Ip {
  return name === 'leader' ? leader[family] : others[name][family];
}

/** The VIP of each family with these backends. */
export function servicesOf(
  names: readonly BackendName[],
  draining: readonly BackendName[] = [],
): readonly BalancedService[] {
  return families.map((family) => {
    const backends = names.map(
      (name): BalancedBackend => ({
        name,
        ip: addressOf(name, family),
        port,
        weight: 1,
        draining: draining.includes(name),
      }),
    );
    return { ip: vip[family], port, scheduler: 'roundrobin', backends };
  });
}

/** What became of a number of connections, by greeting or by failure; the slowest in milliseconds. */
export interface Tally {
  readonly greetings: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly slowest: number;
}

export interface BalancingHosts extends AsyncDisposable {
  readonly hosts: Readonly<Record<Exclude<Place, 'leader'>, OtherHost>>;
  /** The interface of this host in its LAN. */
  readonly device: string;
  /** The servers of the backends. */
  readonly servers: Readonly<Record<BackendName, Peer>>;
  /** Connections one after the other. */
  count(where: Place, ip: Ip, connections: number, toPort?: number): Promise<Tally>;
  /** Connections that stay; the names of their backends. */
  hold(
    where: Place,
    ip: Ip,
    connections: number,
  ): Promise<{ readonly peer: Peer; readonly names: readonly BackendName[] }>;
  /** Starts a peer on a host. */
  start(where: Place, ...args: readonly (string | number)[]): Peer;
}

/** A running peer (balancing-peer.ts). */
export interface Peer {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** The next value that it prints. */
  next(): Promise<unknown>;
  /** Reads that many values. */
  take(count: number): Promise<readonly unknown[]>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Makes the LAN: a switch in a namespace of its own, three hosts on it, one behind this host; the VIP is this host's, and a server
 * runs on each backend.
 */
export async function createBalancingHosts(): Promise<BalancingHosts> {
  const hub = createOtherHost();
  hub.run('ip', 'link', 'add', 'switch', 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0');
  hub.run('ip', 'link', 'set', 'switch', 'up');
  const device = 'lan0';
  plug(hub, 'leader', 'lan0');
  address((...args) => run('ip', ...args), device, leader);
  const hosts = {
    cp2: addHost(hub, 'cp2', others.cp2),
    cp3: addHost(hub, 'cp3', others.cp3),
    neighbour: addHost(hub, 'neighbour', others.neighbour),
    remote: addRemote(),
  };
  for (const family of families)
    run('ip', 'addr', 'add', vip[family], 'dev', device, ...(family === 6 ? ['nodad'] : []));
  // Deprecated, as the product has it: never this host's own source.
  for (const family of families) run('ip', 'addr', 'change', vip[family], 'dev', device, 'preferred_lft', '0');
  for (const path of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding']) run('sysctl', '-qw', `net.${path}=1`);
  const peers = new Set<Peer>();
  const start: BalancingHosts['start'] = (where, ...args) => {
    const peer = startPeer(where === 'leader' ? undefined : hosts[where], args);
    peers.add(peer);
    return peer;
  };
  const serve = async (name: BackendName) => {
    const server = start(name, 'serve', name, port);
    await server.next();
    return server;
  };
  return {
    hosts,
    device,
    servers: { leader: await serve('leader'), cp2: await serve('cp2'), cp3: await serve('cp3') },
    start,
    async count(where, ip, connections, toPort = port) {
      const peer = start(where, 'count', ip, toPort, connections);
      const tally = (await peer.next()) as Tally;
      await peer.stop();
      return tally;
    },
    async hold(where, ip, connections) {
      const peer = start(where, 'hold', ip, port, connections);
      return { peer, names: (await peer.next()) as readonly BackendName[] };
    },
    async [Symbol.asyncDispose]() {
      for (const peer of peers) await peer.stop();
      run('ip', 'link', 'delete', 'far0');
      run('ip', 'link', 'delete', device);
      for (const host of [...Object.values(hosts), hub]) host[Symbol.dispose]();
    },
  };
}

function plug(hub: OtherHost, portName: string, name: string, host?: OtherHost): void {
  const peer = ['peer', 'name', portName, 'netns', hub.name];
  run('ip', 'link', 'add', name, ...(host === undefined ? [] : ['netns', host.name]), 'type', 'veth', ...peer);
  hub.run('ip', 'link', 'set', 'dev', portName, 'master', 'switch', 'up');
}

function address(ip: (...args: readonly string[]) => string, device: string, addresses: Addresses): void {
  ip('link', 'set', device, 'up');
  ip('addr', 'add', `${addresses[4]}/24`, 'dev', device);
  ip('addr', 'add', `${addresses[6]}/64`, 'dev', device, 'nodad');
}

function addHost(hub: OtherHost, name: string, addresses: Addresses): OtherHost {
  const host = createOtherHost();
  plug(hub, name, 'eth0', host);
  address((...args) => host.run('ip', ...args), 'eth0', addresses);
  return host;
}

function addRemote(): OtherHost {
  const host = createOtherHost();
  run('ip', 'link', 'add', 'far0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name);
  address((...args) => run('ip', ...args), 'far0', far(1));
  address((...args) => host.run('ip', ...args), 'eth0', remote);
  host.run('ip', 'route', 'add', 'default', 'via', far(1)[4]);
  host.run('ip', '-6', 'route', 'add', 'default', 'via', far(1)[6]);
  return host;
}

function startPeer(host: OtherHost | undefined, args: readonly (string | number)[]): Peer {
  const script = join(import.meta.dirname, 'balancing-peer.js');
  const inside = host === undefined ? [] : ['nsenter', `--net=/run/netns/${host.name}`, '--'];
  const [command = '', ...rest] = [...inside, process.execPath, script, ...args.map(String)];
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const line = await lines.next();
    if (line.done) throw new Error(`the peer "${args.join(' ')}" ended`);
    return JSON.parse(line.value);
  };
  return {
    child,
    next,
    async take(count) {
      const values: unknown[] = [];
      while (values.length < count) values.push(await next());
      return values;
    },
    async stop(signal = 'SIGKILL') {
      child.kill(signal);
      await closed;
    },
  };
}

/** Rejects when the work takes longer, with its name. */
export async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let done: { readonly value: T } | undefined;
  let failure: unknown;
  work.then(
    (value) => {
      done = { value };
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const started = clock.now();
  return (
    await until(
      () => {
        if (failure !== undefined && clock.now() >= started) throw failure;
        return done;
      },
      { within: milliseconds, every: 5, what },
    )
  ).value;
}
