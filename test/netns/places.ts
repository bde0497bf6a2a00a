import { type Client, startClient } from '../../src/lab/client.js';
import { type Cluster, type ClusterNode, hostAddress } from '../../src/lab/cluster.js';
import type { Host, Namespace } from '../../src/lab/network.js';
import { type Family, familyOf } from '../../src/net/ip.js';
import { program } from './program.js';

/** Where clients of a VIP are: beyond a router, on the leader, on a backend that does not lead, in the backends' own subnet. */
export const places = ['remote', 'leader', 'backend', 'worker'] as const;
export type Place = (typeof places)[number];

/** Adds a worker, a router and a remote host to the cluster's network, and has a client in every place. */
export async function addPlaces(cluster: Cluster, leader: ClusterNode): Promise<Readonly<Record<Place, Client>>> {
  const { network, nodes, administrator } = cluster;
  const families = leader.host.ips.map(familyOf);
  const backend = nodes.find((node) => node !== leader);
  if (backend === undefined) throw new Error('there is no second node');
  const addHost = (name: string, number: number) =>
    network.addHost(name, ...families.map((family) => hostAddress(number, family)));
  const [worker, router, remote] = await Promise.all([
    addHost('w1', 21),
    addHost('router', routerNumber),
    network.addNamespace('remote'),
  ]);
  await administrator.addNode({ name: 'w1', ips: worker.ips, controlPlane: false });
  await connectBeyond(router, remote, families);
  const lan = [...nodes.map((node) => node.host), worker];
  await Promise.all(lan.flatMap((host) => families.map((family) => routeBy(host, hostAddress(routerNumber, family)))));
  const on = (namespace: Namespace) => startClient(namespace, program);
  return { remote: on(remote), leader: on(leader.host), backend: on(backend.host), worker: on(worker) };
}

const routerNumber = 254;
const far = (number: number, family: Family) => (family === 4 ? `10.78.0.${number}/24` : `fd78::${number}/64`);

async function connectBeyond(router: Host, remote: Namespace, families: readonly Family[]): Promise<void> {
  const ip = (namespace: Namespace, ...args: readonly string[]) => namespace.run('ip', args);
  await ip(router, 'link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', remote.namespace);
  await ip(remote, 'link', 'set', 'lo', 'up');
  for (const [host, name, number] of [[router, 'far', 1] as const, [remote, 'eth0', 9] as const]) {
    for (const family of families) await ip(host, 'address', 'add', far(number, family), 'dev', name);
    await ip(host, 'link', 'set', name, 'up');
  }
  for (const family of families) await routeBy(remote, far(1, family));
  await router.run('sh', ['-c', forwarding.map((path) => `echo 1 > /proc/sys/net/${path}`).join('; ')]);
}

const forwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'];

async function routeBy(namespace: Namespace, gateway: string): Promise<void> {
  await namespace.run('ip', ['route', 'add', 'default', 'via', gateway.replace(/\/.*/, '')]);
}
