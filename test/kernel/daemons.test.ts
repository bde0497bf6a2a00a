import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type ClusterNode, vipPort } from '../../src/lab/cluster.js';
import type { Namespace } from '../../src/lab/network.js';
import { endpoint, type Family } from '../../src/net/ip.js';
import type { BackendStatus } from '../../src/vip/status.js';
import { holdConnections } from '../netns/held-connections.js';
import { describeMatrix, type MatrixStage } from '../netns/matrix.js';
import { until } from '../netns/poll.js';
import { program } from '../netns/program.js';
import { readStatus } from '../netns/vipd-view.js';
import { inDebianKernel } from './debian-kernel.js';
import { steadyLease } from './leases.js';

const mode = 'ipvs';
const families: readonly Family[] = [4];
const patience = 90_000;
const healthCheck = { interval: '5s', fastInterval: '2s', timeout: '5s' };

inDebianKernel(import.meta.filename, () => {
  for (const family of families) {
    const options = { mode, family, every: 50, timeout: 10_000, patience, healthCheck, settings: steadyLease };
    describeMatrix(options, (stage) => {
      test('`ipvsadm -Ln` shows the same as `vipd status --json`: service, destinations, weights, open connections', async () => {
        const { cluster, leader } = stage();
        const to = { ip: cluster.vip, port: vipPort };
        const held = await holdConnections(cluster.clientHost, to, 9, patience);
        const shown = await agreement(stage(), 'three backends with three connections each', ({ backends }) =>
          backends.every(({ state, connections }) => state === 'up' && connections === 3),
        );
        assert.equal(shown.services.length, 1);
        assert.deepEqual(held.map(({ end }) => end).filter(Boolean), []);
        for (const node of cluster.nodes) {
          if (node !== leader) assert.deepEqual(await readIpvsadm(node.host), [], `${node.name} does not lead`);
        }
      });

      test('a drained backend has weight 0, one that is down is gone from the service; each comes back', async () => {
        const { cluster, leader } = stage();
        const [drained, dead] = cluster.nodes.filter((node) => node !== leader) as [ClusterNode, ClusterNode];
        const backend = (word: 'drain' | 'resume') => {
          const args = ['backend', word, drained.name, '--admin-socket', leader.adminSocket];
          return leader.host.run(program.node, [program.script, ...args]);
        };
        await backend('drain');
        dead.api?.signal('SIGKILL');
        await agreement(stage(), `${drained.name} draining, ${dead.name} down`, ({ backends }) =>
          isDeepStrictEqual(
            [drained, dead].map(({ name }) => backends.find((one) => one.name === name)?.state),
            ['draining', 'down'],
          ),
        );
        await backend('resume');
        await dead.startApi();
        await agreement(stage(), 'three backends again', ({ backends }) =>
          backends.every(({ state }) => state === 'up'),
        );
      });
    });
  }
});

interface Destination {
  readonly address: string;
  readonly weight: number;
  readonly active: number;
}

interface Service {
  readonly address: string;
  readonly scheduler: string;
  readonly destinations: readonly Destination[];
}

/** What `ipvsadm -Ln` prints in the namespace. */
async function readIpvsadm(namespace: Namespace): Promise<readonly Service[]> {
  const services: (Service & { destinations: Destination[] })[] = [];
  for (const line of (await namespace.run('ipvsadm', ['-Ln'])).split('\n').slice(3)) {
    const [kind, address = '', ...rest] = line.trim().split(/\s+/);
    if (kind === 'TCP') services.push({ address, scheduler: rest[0] ?? '', destinations: [] });
    else if (kind === '->') {
      assert.equal(rest[0], 'Masq');
      services.at(-1)?.destinations.push({ address, weight: Number(rest[1]), active: Number(rest[2]) });
    } else assert.equal(line, '');
  }
  return services;
}

/** What ipvsadm has to show for what vipd says. */
function wantedDestinations(backends: readonly BackendStatus[]): readonly Destination[] {
  return backends
    .filter(({ state }) => state !== 'down')
    .map(({ address, state, connections }) => ({ address, weight: state === 'up' ? 1 : 0, active: connections }));
}

/** Waits until ipvsadm and vipd show the same, and that is what is wanted. */
async function agreement(
  { cluster, leader }: MatrixStage,
  what: string,
  isWanted: (view: { readonly backends: readonly BackendStatus[] }) => boolean,
) {
  let seen = '';
  try {
    return await until(
      async () => {
        const { backends } = (await readStatus(leader)).loadBalancer;
        const services = await readIpvsadm(leader.host);
        seen = JSON.stringify({ services, backends });
        const destinations = [...wantedDestinations(backends)].sort(byAddress);
        const shown = services.map((service) => ({
          ...service,
          destinations: [...service.destinations].sort(byAddress),
        }));
        const wanted = [{ address: endpoint(cluster.vip, vipPort), scheduler: 'rr', destinations }];
        return isWanted({ backends }) && isDeepStrictEqual(shown, wanted) && { services, backends };
      },
      { within: patience, every: 200, what },
    );
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}: ${seen}`);
  }
}

function byAddress(a: Destination, b: Destination): number {
  return a.address.localeCompare(b.address);
}
