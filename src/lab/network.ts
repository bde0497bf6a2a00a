import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Cidr, formatCidr, parseCidr } from '../net/cidr.js';
import { type Ip, ipBytes, parseIp } from '../net/ip.js';
import { type Mac, macFromBytes } from '../net/mac.js';
import { execute } from './execute.js';
import { removeNamespaces, sweepLeftovers } from './leftovers.js';

/** A network namespace in which commands run. Commands die with the process that started them. */
export interface Namespace {
  /** The name below /run/netns. */
  readonly namespace: string;
  /** Runs a command to its end and returns its output; throws an Error that quotes its complaint. */
  run(command: string, args?: readonly string[]): Promise<string>;
  /** Starts a command; the process has the child's pid itself, so that signals reach it. */
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

/** One machine on the network: a namespace with `eth0` plugged into the switch. */
export interface Host extends Namespace {
  readonly name: string;
  /** Its first address. */
  readonly ip: Ip;
  /** All that it was given, in that order. */
  readonly ips: readonly Ip[];
  readonly mac: Mac;
  /** Pulls the cable at the switch's end: the host keeps its addresses and loses its carrier. */
  linkDown(): Promise<void>;
  linkUp(): Promise<void>;
  /** The addresses of all interfaces as the kernel has them now. */
  addresses(): Promise<readonly HostAddress[]>;
}

export interface HostAddress extends Cidr {
  readonly interface: string;
  /** Whole seconds until the kernel removes it; Infinity when it stays. */
  readonly lifetimeSeconds: number;
}

/** A switch and the hosts plugged into it. Disposing kills what runs in them and removes them. */
export interface Network extends AsyncDisposable {
  /** The switch's own namespace; its bridge has the network's addresses if any were given. */
  readonly switch: Namespace;
  /**
   * Adds a host.
   * @param name at most 15 characters: it is also the name of the switch's port
   * @param addresses at least one, each with prefix: `10.77.0.11/24`
   */
  addHost(name: string, ...addresses: readonly string[]): Promise<Host>;
  /** Adds a namespace that is plugged into nothing. */
  addNamespace(name: string): Promise<Namespace>;
}

/** No host has it: theirs end in an address's last four bytes. */
const switchMac = '02:ff:00:00:00:01';
let created = 0;

/**
 * Makes an empty network. Namespaces are called `vipd-OWNER-COUNTER-NAME-HOST`; those whose owner is dead are swept first.
 * Needs root, or root of a user namespace with its own mounts.
 * @param owner the process id of the caller
 * @param addresses addresses with prefix for the switch itself
 */
export async function createNetwork(name: string, owner: number, ...addresses: readonly string[]): Promise<Network> {
  await sweepLeftovers();
  const prefix = `vipd-${owner}-${++created}-${name}`;
  const children = new Set<ChildProcess>();
  const namespaces: string[] = [];

  async function addNamespace(host: string): Promise<Namespace> {
    const namespace = `${prefix}-${host}`;
    namespaces.push(namespace);
    await execute('ip', ['netns', 'add', namespace]);
    // Whoever starts a command may be killed before it can stop it: the kernel does it then.
    const inside = ['--pdeathsig', 'KILL', ...insideNamespace(namespace)];
    const result: Namespace = {
      namespace,
      run: (command, args = []) => execute('setpriv', [...inside, command, ...args]),
      spawn(command, args, options = {}) {
        const child = spawn('setpriv', [...inside, command, ...args], options);
        children.add(child);
        child.once('exit', () => children.delete(child));
        child.once('error', () => children.delete(child));
        return child;
      },
    };
    // Duplicate address detection holds every IPv6 address back for a second or two; nobody here has a duplicate.
    const conf = '/proc/sys/net/ipv6/conf/default/accept_dad';
    await result.run('sh', ['-c', `if [ -e ${conf} ]; then echo 0 > ${conf}; fi`]);
    return result;
  }

  async function plugIn(host: string, cidrs: readonly Cidr[]): Promise<Host> {
    const [first] = cidrs;
    if (first === undefined) throw new Error(`no address for ${host}`);
    const base = await addNamespace(host);
    const { namespace } = base;
    // Locally administered, and the same each time: what is seen in a capture can be told apart by eye.
    const mac = macFromBytes(Uint8Array.of(2, 0, ...ipBytes(first.ip).subarray(-4))) as Mac;
    await execute('ip', [
      ...['link', 'add', 'eth0', 'netns', namespace, 'address', mac, 'type', 'veth'],
      ...['peer', 'name', host, 'netns', hub.namespace],
    ]);
    const addresses = cidrs.map((cidr) => `address add ${formatCidr(cidr)} dev eth0`);
    await batch(namespace, ['link set lo up', ...addresses, 'link set eth0 up']);
    await batch(hub.namespace, [`link set dev ${host} master switch up`]);
    return {
      ...base,
      name: host,
      ip: first.ip,
      ips: cidrs.map((cidr) => cidr.ip),
      mac,
      linkDown: () => batch(hub.namespace, [`link set dev ${host} down`]),
      linkUp: () => batch(hub.namespace, [`link set dev ${host} up`]),
      addresses: async () => parseAddresses(await execute('ip', ['-json', '-netns', namespace, 'address', 'show'])),
    };
  }

  async function dispose(): Promise<void> {
    const exits = [...children].map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
    await removeNamespaces(namespaces);
  }

  const hub = await addNamespace('switch');
  try {
    // Without these a new port waits 15 s in the listening state, and multicast waits for a querier that is not there.
    const options = 'stp_state 0 forward_delay 0 mcast_snooping 0';
    // Given one, the bridge keeps its address; else it takes the lowest of its ports', and each new port may change it under the hosts.
    const bridge = `link add switch address ${switchMac} type bridge ${options}`;
    const lines = ['link set lo up', bridge, 'link set switch up'];
    lines.push(...addresses.map((address) => `address add ${address} dev switch`));
    await batch(hub.namespace, lines);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    switch: hub,
    addHost(host, ...texts) {
      const cidrs = texts.map((text) => {
        const cidr = parseCidr(text);
        if (cidr === undefined) throw new Error(`not an address with prefix: ${text}`);
        return cidr;
      });
      return plugIn(host, cidrs);
    },
    addNamespace,
    [Symbol.asyncDispose]: dispose,
  };
}

/** What is put before a command to run it in a namespace; the process stays the same. */
export function insideNamespace(namespace: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--'];
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  await execute('ip', ['-netns', namespace, '-batch', '-'], `${lines.join('\n')}\n`);
}

interface IpAddressLine {
  readonly ifname: string;
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly valid_life_time: number;
  }[];
}

function parseAddresses(json: string): HostAddress[] {
  return (JSON.parse(json) as IpAddressLine[]).flatMap((link) =>
    link.addr_info.map((info) => ({
      ip: parseIp(info.local) as Ip,
      prefixLength: info.prefixlen,
      interface: link.ifname,
      // iproute2 prints INFINITY_LIFE_TIME as the number that it is.
      lifetimeSeconds: info.valid_life_time === 0xffff_ffff ? Number.POSITIVE_INFINITY : info.valid_life_time,
    })),
  );
}
