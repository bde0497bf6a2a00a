import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterNode } from '../../src/lab/cluster.js';
import { until } from './poll.js';
import { prepareCluster } from './with-cluster.js';

// A control plane whose daemons run before any API server does: kubeadm init, or the power is back after all were down.

const settings = { announce: { interval: '1s' } };

async function because(node: ClusterNode): Promise<string | undefined> {
  return (await node.status())?.vips[0]?.because;
}

test('no API server anywhere: one node has the VIP for the time being, then the Lease; no second one at any time', async () => {
  await using cluster = await prepareCluster('boot', { settings });
  for (const { api } of cluster.nodes) api?.signal('SIGKILL');
  await until(() => cluster.nodes.every(({ api }) => api?.running() === false), { what: 'the API servers to end' });
  await Promise.all(cluster.nodes.map((node) => node.startVipd()));
  let most = 0;
  let isWatching = true;
  const watching = (async () => {
    while (isWatching) {
      const addresses = await Promise.all(cluster.nodes.map(({ host }) => host.addresses()));
      most = Math.max(most, addresses.filter((here) => here.some(({ ip }) => ip === cluster.vip)).length);
    }
  })();
  const first = await cluster.holder(30_000);
  assert.equal(await because(first), 'provisional');
  // As long as it takes the others to find out, twice.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  assert.deepEqual(cluster.holders(), [first]);

  // Its own API server is up, and serves through the VIP; the others' are not.
  await first.startApi();
  await until(async () => (await because(first))?.startsWith('acquired'), { what: 'the Lease to be written' });
  const call = { method: 'GET', url: `https://${cluster.vip}:6443/readyz`, headers: { connection: 'close' } };
  assert.equal((await cluster.client.call(call)).status, 200);
  assert.deepEqual(cluster.holders(), [first]);
  for (const node of cluster.nodes) if (node !== first) await node.startApi();
  await until(
    async () =>
      (await cluster.nodes.at(-1)?.status())?.vips[0]?.leader === first.name || first === cluster.nodes.at(-1),
    {
      what: 'the others to follow',
    },
  );
  isWatching = false;
  await watching;
  assert.deepEqual(cluster.holders(), [first]);
  assert.equal(most, 1);
});
