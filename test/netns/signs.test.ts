import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type Cluster, type ClusterNode, vip } from '../../src/lab/cluster.js';
import { until } from './poll.js';
import { prepareCluster, startVipds } from './with-cluster.js';

// What the cluster is shown beside the Lease.

const labels = { 'kube-vip.io/has-ip': vip, 'vip.vipd/api': vip };
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';

/** What an API server that is alive answers. */
async function get(cluster: Cluster, path: string) {
  const alive = cluster.nodes.find(({ api }) => api?.running());
  const { status, body } = await cluster.client.call({
    method: 'GET',
    url: `https://${alive?.host.ip}:6443${path}`,
    headers: { authorization: `Bearer ${cluster.api.token}` },
  });
  assert.equal(status, 200, body);
  return JSON.parse(body);
}

/** The nodes that have kube-vip's label or ours, with these. */
async function labelled(cluster: Cluster): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const { items } = await get(cluster, '/api/v1/nodes');
  const found: Record<string, Record<string, string>> = {};
  for (const { metadata } of items) {
    const ours = Object.entries<string>(metadata.labels ?? {}).filter(([name]) =>
      /^(kube-vip\.io|vip\.vipd)\//.test(name),
    );
    if (ours.length > 0) found[metadata.name] = Object.fromEntries(ours);
  }
  return found;
}

function untilLabelled(cluster: Cluster, ...nodes: readonly ClusterNode[]) {
  const wanted = Object.fromEntries(nodes.map(({ name }) => [name, labels]));
  const isSo = async () => {
    try {
      assert.deepEqual(await labelled(cluster), wanted);
      return true;
    } catch {
      return false;
    }
  };
  return until(isSo, { what: `labels on ${Object.keys(wanted).join() || 'no node'}` });
}

/** The messages of all Events, in their order. */
async function messages(cluster: Cluster): Promise<readonly string[]> {
  const { items } = await get(cluster, '/api/v1/namespaces/kube-system/events');
  const events = items as { metadata: { resourceVersion: string }; message: string }[];
  const age = (event: (typeof events)[number]) => Number(event.metadata.resourceVersion);
  return events.sort((a, b) => age(a) - age(b)).map(({ message }) => message);
}

test('labels, Events and annotations follow the VIP: a stop, a power failure, a return', async () => {
  const annotations = { 'example.com/team': 'net' };
  await using cluster = await prepareCluster('signs', { settings: { election: { lease: { annotations } } } });
  for (const { configFile } of cluster.nodes) {
    const config = JSON.parse(await readFile(configFile, 'utf8'));
    await writeFile(configFile, JSON.stringify({ ...config, kubernetes: { ...config.kubernetes, nodeLabel: true } }));
  }
  const first = await startVipds(cluster);
  await untilLabelled(cluster, first);
  const told = (text: string) => until(async () => (await messages(cluster)).includes(text), { what: text });
  await told(`${first.name} took VIP api (${vip}): acquired-new`);
  const lease = await get(cluster, `${leases}/plndr-cp-lock`);
  assert.deepEqual(lease.metadata.annotations, annotations);
  const { items } = await get(
    cluster,
    `/api/v1/namespaces/kube-system/events?fieldSelector=involvedObject.uid=${lease.metadata.uid}`,
  );
  assert.equal(items.length, 1);

  first.vipd?.signal('SIGTERM');
  assert.equal((await first.vipd?.ended)?.code, 0);
  // Told, and taken off, before the process ended.
  assert.ok((await messages(cluster)).includes(`${first.name} gave up VIP api (${vip}): stopping`));
  assert.equal((await labelled(cluster))[first.name], undefined);
  const second = await cluster.holder(5000);
  await untilLabelled(cluster, second);
  await told(`${second.name} took VIP api (${vip}): acquired-released`);

  await second.kill();
  const third = await until(
    () => cluster.nodes.find((node) => ![first, second].includes(node) && node.address.held()),
    {
      within: 15_000,
      what: 'the last node has the address',
    },
  );
  // Nobody is left on the dead node to take its label off.
  await untilLabelled(cluster, second, third);
  await second.revive();
  await untilLabelled(cluster, third);
  assert.deepEqual(cluster.holders(), [third]);

  third.vipd?.signal('SIGUSR1');
  const line = await until(
    async () => (await readFile(third.logs.vipd, 'utf8')).split('\n').find((l) => l.includes('"state dump"')),
    { what: 'the dump' },
  );
  const dump = JSON.parse(line);
  assert.equal(dump.vips[0].election.known.lease.record.holderIdentity, third.name);
  assert.deepEqual(dump.signs.labels.found['vip.vipd/api'], vip);
  assert.ok(!line.includes(cluster.api.token));
});
