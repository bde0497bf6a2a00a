import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ClusterNode, createCluster } from '../../src/lab/cluster.js';
import { clock, until } from './poll.js';
import { program } from './program.js';

async function backendsOf(node: ClusterNode): Promise<string> {
  const status = await node.status();
  const backends = status?.vips[0]?.loadBalancer.backends ?? [];
  return backends
    .filter((backend) => backend.state === 'up')
    .map((backend) => backend.name)
    .join(' ');
}

test('nodes added, made NotReady and deleted while the watch is down: the pool is right within 1 s of its return', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const cluster = await createCluster({ program, clock, name: 'pool', folder, api: 'embedded', size: 4 });
  try {
    const [watched, notReady, deleted, added] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode, ClusterNode];
    await cluster.administrator.deleteNode(added.name);
    await watched.startVipd();
    await until(async () => (await backendsOf(watched)) === 'cp1 cp2 cp3', { what: 'three backends' });
    // The watched node's own API server is gone, and with it its watch; the others' go on.
    watched.api?.signal('SIGKILL');
    await until(async () => (await backendsOf(watched)) === 'cp2 cp3', { what: 'its own API server down' });
    const administrate = async (what: () => Promise<void>) =>
      until(
        async () => {
          await what();
          return true;
        },
        { what: 'another API server' },
      );
    await administrate(() => cluster.administrator.setReady(notReady.name, false));
    await administrate(() => cluster.administrator.deleteNode(deleted.name));
    await administrate(() =>
      cluster.administrator.addNode({ name: added.name, ips: added.host.ips, controlPlane: true }),
    );
    await cluster.administrator.addNode({ name: 'w1', ips: ['10.77.0.31'], controlPlane: false });
    assert.equal(await backendsOf(watched), 'cp2 cp3');
    await watched.startApi();
    const returned = clock.now();
    await until(
      async () => {
        const status = await watched.status();
        const known = status?.vips[0]?.loadBalancer.backends ?? [];
        const up = known.filter((backend) => backend.state === 'up').map((backend) => backend.name);
        const names = known.map((backend) => backend.name).join(' ');
        // The watched node's own server is up again only when its checks have risen.
        return names === 'cp1 cp2 cp4' && up.includes('cp4') && !up.includes('cp2');
      },
      { within: 1000, every: 10, what: 'the pool as the API has it' },
    );
    console.log(`  pool right ${(clock.now() - returned).toFixed(0)} ms after the API server's return`);
  } finally {
    await cluster[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});
