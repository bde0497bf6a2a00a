import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askStatus } from '../admin/client.js';
import type { Family, Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { millis } from '../time/instant.js';
import type { DaemonStatus } from '../vip/status.js';
import { type AddressWatch, watchAddress } from './address-watch.js';
import { type Client, type Program, startClient } from './client.js';
import { type Administrator, type ApiServer, type ClusterApi, createAdministrator } from './cluster-api.js';
import { type Daemon, startDaemon } from './daemon.js';
import { startEmbeddedClusterApi } from './embedded-api.js';
import { createNetwork, type Host, type Network } from './network.js';
import { startRealClusterApi } from './real-api.js';
import { until } from './until.js';

/** The virtual addresses of every lab network. */
export const vips: Readonly<Record<Family, Ip>> = { 4: '10.77.0.100' as Ip, 6: 'fd77::100' as Ip };
export const vip = vips[4];
export const vipPort = 6443;
const switchNumber = 1;

/** The address, with its prefix, of the host with this number: 1 is the switch, 11 the first node. */
export function hostAddress(number: number, family: Family): string {
  return family === 4 ? `10.77.0.${number}/24` : `fd77::${number}/64`;
}

export interface ClusterOptions {
  readonly program: Program;
  readonly clock: Clock;
  /** The network's name: a part of the namespaces' names. */
  readonly name: string;
  /** An empty folder for configurations, keys, sockets and logs; its path is short (sun_path has 108 bytes). */
  readonly folder: string;
  /** `embedded`, or the folder of etcd and kube-apiserver. */
  readonly api: 'embedded' | { readonly programs: string };
  /** How many control-plane nodes: cp1, cp2, … */
  readonly size: number;
  /** Of all hosts, nodes and the VIP; the first is that of the kubeconfig. Default: IPv4 alone. IPv6 first: with the embedded API only. */
  readonly families?: readonly [Family, ...Family[]];
  /** Keys of the VIP's configuration beside its name and address: `{ deadManSwitch: '5s' }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A control-plane node: a host, its API server and its vipd, each of which can be killed and started again. */
export interface ClusterNode {
  readonly name: string;
  readonly host: Host;
  /** What happens to the virtual address (the first, if there are two) on this host. */
  readonly address: AddressWatch;
  readonly configFile: string;
  readonly adminSocket: string;
  /** The files that vipd and the API server write to. */
  readonly logs: { readonly vipd: string; readonly api: string };
  /** The latest vipd that was started here. */
  readonly vipd: Daemon | undefined;
  readonly api: ApiServer | undefined;
  startVipd(): Promise<Daemon>;
  /** Starts the API server and waits until it answers. */
  startApi(): Promise<void>;
  /** What the node's vipd says of itself; undefined when it does not answer. */
  status(): Promise<DaemonStatus | undefined>;
  /** The power goes: vipd and API server get SIGKILL and the cable is dead. Returns the moment, wall clock in milliseconds. */
  kill(): Promise<number>;
  /** The power comes back: the cable, the API server, vipd. */
  revive(): Promise<void>;
}

export interface Cluster extends AsyncDisposable {
  readonly network: Network;
  readonly api: ClusterApi;
  readonly nodes: readonly ClusterNode[];
  /** The virtual address, or the first one. */
  readonly vip: Ip;
  /** A machine that is no part of the cluster, and the process there that connects to the VIP. */
  readonly clientHost: Host;
  readonly client: Client;
  readonly administrator: Administrator;
  /** The nodes that have the virtual address at this moment. */
  holders(): readonly ClusterNode[];
  /** Waits until exactly one node has the address, and returns it. */
  holder(within: number): Promise<ClusterNode>;
}

/** Builds the network, starts the API servers and registers the nodes. No vipd runs yet. */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  const { families = [4] } = options;
  const addresses = families.map((family) => hostAddress(switchNumber, family));
  const network = await createNetwork(options.name, options.program.pid, ...addresses);
  try {
    return await furnish(options, network);
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

async function furnish(options: ClusterOptions, network: Network): Promise<Cluster> {
  const { program, clock, folder, size, settings = {}, families = [4] } = options;
  const [first, ...others] = families;
  const addressesOf = (number: number) => families.map((family) => hostAddress(number, family));
  const virtual = [vips[first], ...others.map((family) => vips[family])] as const;
  const address = hostAddress(switchNumber, first).replace(/\/.*/, '');
  const place = { address, vips: virtual, folder, program, clock };
  const [api, clientHost, ...hosts] = await Promise.all([
    options.api === 'embedded'
      ? startEmbeddedClusterApi(network, place)
      : startRealClusterApi(network, { ...place, ...options.api }),
    network.addHost('client', ...addressesOf(50)),
    ...Array.from({ length: size }, (_, i) => network.addHost(`cp${i + 1}`, ...addressesOf(11 + i))),
  ]);
  await widenPorts(clientHost);
  const client = startClient(clientHost, program);
  const administrator = createAdministrator(client, api.token, () => {
    const alive = nodes.find((node) => node.api?.running());
    if (alive === undefined) throw new Error('no API server is alive');
    return alive.host.ip;
  });
  const parts = { folder, api, administrator, program, clock, settings, virtual };
  const nodes = await Promise.all(hosts.map((host) => createNode(host, parts)));
  await Promise.all(nodes.map((node) => node.startApi()));
  await Promise.all(nodes.map(({ name, host }) => administrator.addNode({ name, ips: host.ips, controlPlane: true })));
  const holders = () => nodes.filter((node) => node.address.held());
  return {
    network,
    api,
    nodes,
    vip: virtual[0],
    clientHost,
    client,
    administrator,
    holders,
    holder: (within) =>
      until(clock, () => (holders().length === 1 ? holders()[0] : undefined), {
        within: millis(within),
        every: millis(5),
        what: `one node that has ${virtual[0]}`,
      }),
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  };
}

interface NodeParts {
  readonly folder: string;
  readonly api: ClusterApi;
  readonly administrator: Administrator;
  readonly program: Program;
  readonly clock: Clock;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly virtual: readonly [Ip, ...Ip[]];
}

async function createNode(host: Host, parts: NodeParts): Promise<ClusterNode> {
  const { folder, api, administrator, program, clock, settings, virtual } = parts;
  const { name } = host;
  const configFile = join(folder, `${name}.yaml`);
  const adminSocket = join(folder, `${name}.sock`);
  const config = {
    node: { name },
    kubernetes: { kubeconfig: api.kubeconfig },
    vips: [
      {
        name: 'api',
        addresses: virtual,
        interface: 'eth0',
        loadBalancer: { ports: [vipPort], backends: { from: 'nodes', port: vipPort }, healthCheck: { type: 'tcp' } },
        ...settings,
      },
    ],
    admin: { socket: adminSocket },
  };
  // JSON is YAML.
  await writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`);
  const address = await watchAddress(host, virtual[0], clock);
  let vipd: Daemon | undefined;
  let server: ApiServer | undefined;
  const logs = { vipd: join(folder, `${name}.vipd.log`), api: api.logOf(name) };

  async function startVipd(): Promise<Daemon> {
    vipd = await startDaemon(host, program.node, [program.script, 'start', '--config', configFile], logs.vipd);
    return vipd;
  }

  async function startApi(): Promise<void> {
    server = await api.startServer(host);
    await until(clock, () => administrator.isReady(host.ip), {
      within: millis(60_000),
      every: millis(50),
      what: `the API server of ${name}`,
    });
  }

  return {
    name,
    host,
    address,
    configFile,
    adminSocket,
    logs,
    get vipd() {
      return vipd;
    },
    get api() {
      return server;
    },
    startVipd,
    startApi,
    async status() {
      const answer = await askStatus(adminSocket);
      return answer.ok ? answer.status : undefined;
    },
    async kill() {
      const at = clock.wall().getTime();
      vipd?.signal('SIGKILL');
      server?.signal('SIGKILL');
      await host.linkDown();
      return at;
    },
    async revive() {
      await host.linkUp();
      await startApi();
      await startVipd();
    },
  };
}

/** A probe that connects every 2 ms for a minute needs more ports than there are by default, and none in TIME_WAIT. */
async function widenPorts(host: Host): Promise<void> {
  const values = { ip_local_port_range: '1024 65000', tcp_max_tw_buckets: '0' };
  const lines = Object.entries(values).map(([name, value]) => `echo ${value} > /proc/sys/net/ipv4/${name} || true`);
  await host.run('sh', ['-c', lines.join('\n')]);
}
