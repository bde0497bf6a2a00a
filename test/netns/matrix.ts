import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../src/lab/client.js';
import { type Cluster, type ClusterNode, vipPort } from '../../src/lab/cluster.js';
import { tally } from '../../src/lab/measure.js';
import { endpoint, type Family } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { addPlaces, type Place, places } from './places.js';
import { until } from './poll.js';
import { readMetric, readStatus } from './vipd-view.js';
import { prepareCluster, startVipds } from './with-cluster.js';

const connections = 300;
const fair = connections / 3;

export interface MatrixOptions {
  readonly mode: string;
  readonly family: Family;
  /** Milliseconds: between two connections, until one of them counts as failed, and for everything that is waited for. */
  readonly every: number;
  readonly timeout: number;
  readonly patience: number;
  /** Default: the product's. */
  readonly healthCheck?: Readonly<Record<string, unknown>>;
  /** More of the VIP's settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface MatrixStage {
  readonly cluster: Cluster;
  readonly leader: ClusterNode;
  readonly clients: Readonly<Record<Place, Client>>;
}

/**
 * Whole daemons on three nodes, clients in four places: of 300 connections from each every backend gets 100 ± 10, and what vipd says
 * agrees with what clients saw.
 * @param more defines more tests on the same stage
 */
export function describeMatrix(options: MatrixOptions, more?: (stage: () => MatrixStage) => void): void {
  const { mode, family, patience, healthCheck = {} } = options;
  describe(`${mode}, IPv${family}`, { concurrency: 1 }, () => {
    let stage: MatrixStage;
    const figures: string[] = [];

    before(async () => {
      const settings = { loadBalancer: { mode, ports: [vipPort], healthCheck }, ...options.settings };
      const cluster = await prepareCluster(`${mode}${family}`, { families: [family], settings });
      try {
        const leader = await startVipds(cluster, patience);
        stage = { cluster, leader, clients: await addPlaces(cluster, leader) };
        await until(async () => (await upBackends(leader)).length === 3, {
          within: patience,
          what: 'three backends up',
        });
      } catch (error) {
        await cluster[Symbol.asyncDispose]();
        throw error;
      }
    });
    after(async () => {
      await stage?.cluster[Symbol.asyncDispose]();
      console.log(figures.map((line) => `  ${line}`).join('\n'));
    });

    for (const place of places) {
      test(`300 connections from ${place}: 100 ± 10 for each backend, and vipd has counted them`, async () => {
        const { cluster, leader, clients } = stage;
        const counted = () => readMetric(clients.leader, 'vipd_connections_total', 'backend');
        const earlier = await counted();
        const began = performance.now();
        const order = { ip: cluster.vip, port: vipPort, kind: 'request', count: connections } as const;
        const { every, timeout } = options;
        const probe = clients[place].probe({ ...order, every: millis(every), timeout: millis(timeout) });
        const results = await probe.ended;
        const shares = Object.fromEntries([...tally(results)].sort());
        const figure = Object.entries(shares).map(([name, share]) => `${name} ${share}`);
        const took = ((performance.now() - began) / 1000).toFixed(1);
        figures.push(`${mode} IPv${family}, from ${place}: ${figure.join(', ')} in ${took} s`);
        assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(['ok']));
        assert.deepEqual(Object.keys(shares), ['cp1', 'cp2', 'cp3']);
        assert.ok(
          Object.values(shares).every((share) => Math.abs(share - fair) <= 10),
          figure.join(', '),
        );
        const difference = async () => {
          const now = await counted();
          return Object.fromEntries(Object.keys(shares).map((name) => [name, (now[name] ?? 0) - (earlier[name] ?? 0)]));
        };
        await until(async () => isDeepStrictEqual(await difference(), shares), {
          within: patience,
          what: `vipd has counted ${figure.join(', ')}`,
        });
        assert.equal((await leader.status())?.vips[0]?.role, 'leader');
      });
    }

    test('`vipd status --json` and /metrics name the data plane, and every backend as up', async () => {
      const { cluster, leader, clients } = stage;
      const { role, addresses, held, loadBalancer } = await readStatus(leader);
      assert.deepEqual([role, addresses, held], ['leader', [cluster.vip], true]);
      assert.deepEqual([loadBalancer.mode, loadBalancer.ports], [mode, [vipPort]]);
      const told = loadBalancer.backends.map(({ name, address, state, lastCheck }) => [
        ...[name, address, state, lastCheck?.result],
      ]);
      const wanted = cluster.nodes.map(({ name, host }) => [name, endpoint(host.ip, vipPort), 'up', 'ok']);
      assert.deepEqual(told.sort(), wanted);
      assert.deepEqual(await readMetric(clients.leader, 'vipd_data_plane', 'mode'), { [mode]: 1 });
      assert.deepEqual(await readMetric(clients.leader, 'vipd_backend_up', 'backend'), { cp1: 1, cp2: 1, cp3: 1 });
    });

    more?.(() => stage);
  });
}

async function upBackends(node: ClusterNode) {
  const backends = (await node.status())?.vips[0]?.loadBalancer.backends ?? [];
  return backends.filter(({ state }) => state === 'up');
}
