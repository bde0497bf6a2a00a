import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { ClusterNode } from '../../src/lab/cluster.js';
import { until } from './poll.js';
import { prepareCluster } from './with-cluster.js';

/** A second interface of the node, which is up. */
async function addInterface({ host }: ClusterNode): Promise<void> {
  await host.run('ip', ['link', 'add', 'alt0', 'type', 'veth', 'peer', 'name', 'other0']);
  for (const name of ['alt0', 'other0']) await host.run('ip', ['link', 'set', name, 'up']);
}

test('the annotation of a node says which interface its VIP is on, also when the API answers late', async () => {
  await using cluster = await prepareCluster('annotated', { size: 1 });
  const [node] = cluster.nodes as [ClusterNode];
  const { administrator } = cluster;
  await addInterface(node);
  await administrator.deleteNode(node.name);
  const annotations = { 'vipd.io/interface': 'eth9', 'vipd.io/interface.api': '/^alt/' };
  await administrator.addNode({ name: node.name, ips: node.host.ips, controlPlane: true, annotations });
  const isHeldOn = (name: string) =>
    until(
      async () => {
        const vip = (await node.status())?.vips[0];
        return vip?.held && vip.interface === name;
      },
      { what: `the VIP on ${name}` },
    );
  const first = await node.startVipd();
  await isHeldOn('alt0');
  first.signal('SIGTERM');
  await first.ended;

  node.api?.signal('SIGKILL');
  await node.startVipd();
  await until(async () => (await node.status())?.vips[0]?.interface === 'eth0', {
    what: 'the interface of the settings',
  });
  await node.startApi();
  await isHeldOn('alt0');
  const on = (await node.host.addresses()).filter(({ ip }) => ip === cluster.vip).map((address) => address.interface);
  assert.deepEqual(on, ['alt0']);
  const log = await readFile(node.logs.vipd, 'utf8');
  assert.match(log, /cannot be read yet: interfaces are those of the settings/);
});
