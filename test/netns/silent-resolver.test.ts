import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { ClusterNode } from '../../src/lab/cluster.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { renewedAt, watchLease } from '../e2e/lease-history.js';
import { askingAt, startNameServer } from './name-server.js';
import { until } from './poll.js';
import { program } from './program.js';
import { type PreparedCluster, prepareCluster } from './with-cluster.js';

// kubeadm's --control-plane-endpoint is a name, and the name server takes questions and never answers them.

const endpoint = 'cp.example';
const settings = { announce: { interval: '1s' } };

/** Three nodes whose kubeconfig names the API server as `kubeadm init --control-plane-endpoint cp.example` would. */
async function prepare(name: string) {
  const cluster = await prepareCluster(name, { settings });
  const { kubeconfig } = cluster.api;
  const text = await readFile(kubeconfig, 'utf8');
  // The lab's certificates are for the address.
  const server = `server: https://${endpoint}:6443\n      tls-server-name: ${cluster.vip}`;
  await writeFile(kubeconfig, text.replace(/server: .*/, server));
  const resolver = await startNameServer(cluster.clientHost, cluster.folder, { [endpoint]: [cluster.vip] });
  const { ip } = cluster.clientHost;
  // Twice 5 s, as resolv.conf has it by default.
  const asking = await askingAt(ip, cluster.folder, `nameserver ${ip}\n`);
  return { cluster, resolver, start: (node: ClusterNode) => startVipd(node, asking) };
}

function startVipd({ host, configFile, logs }: ClusterNode, [command = '', ...args]: readonly string[]) {
  return startDaemon(
    host,
    command,
    [...args, program.node, program.script, 'start', '--config', configFile],
    logs.vipd,
  );
}

async function saidSince(when: number, { nodes }: PreparedCluster, what: RegExp): Promise<readonly object[]> {
  const logs = await Promise.all(nodes.map(({ logs }) => readFile(logs.vipd, 'utf8')));
  const entries = logs.flatMap((log) => log.split('\n').filter((line) => line.startsWith('{')));
  return entries.map((line) => JSON.parse(line)).filter(({ time, msg }) => Date.parse(time) >= when && what.test(msg));
}

test('the name server falls silent: for more than a minute the Lease is renewed as before, and the leader stays', async (t) => {
  const { cluster, resolver, start } = await prepare('silent');
  await using _cluster = cluster;
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  await Promise.all(cluster.nodes.map(start));
  const leader = await cluster.holder(15_000);
  await until(
    async () => {
      const all = await Promise.all(cluster.nodes.map((node) => node.status()));
      return all.every((status) => status?.vips[0]?.leader === leader.name);
    },
    { what: 'all to follow the leader' },
  );
  const watched = await watchLease(first.host, 'https://127.0.0.1:6443', cluster.api.token);
  await resolver.say(null);
  const holders = new Set<string>();
  const silentSince = Date.now();
  // Credentials are read again each minute.
  await until(
    () => {
      for (const { name } of cluster.holders()) holders.add(name);
      return Date.now() - silentSince > 75_000;
    },
    { within: 90_000, every: 50, what: '75 s' },
  );
  const times = watched.records.map(renewedAt);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? time));
  const longest = Math.max(...gaps);
  const median = gaps.toSorted((a, b) => a - b)[gaps.length >> 1];
  t.diagnostic(`${gaps.length} renewals, ${median?.toFixed(0)} ms apart, at most ${longest.toFixed(0)} ms`);
  assert.deepEqual([...holders], [leader.name]);
  assert.deepEqual([...new Set(watched.records.map(({ holderIdentity }) => holderIdentity))], [leader.name]);
  assert.deepEqual(await saidSince(silentSince, cluster, /^(lease request refused|leadership)$/), []);
  // Half a second more than the pause between two.
  assert.ok(gaps.length > 50 && longest < 1_500, `${gaps.length} renewals, at most ${longest} ms apart`);
});

test('a name server that is silent from the start: the VIP is up without an API, and the Lease is taken with one', async (t) => {
  const { cluster, resolver, start } = await prepare('silent-boot');
  await using _cluster = cluster;
  await resolver.say(null);
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  for (const { api } of cluster.nodes) api?.signal('SIGKILL');
  await until(() => cluster.nodes.every(({ api }) => api?.running() === false), { what: 'the API servers to end' });
  const startedAt = Date.now();
  await start(first);
  await cluster.holder(20_000);
  const took = Date.now() - startedAt;
  t.diagnostic(`the VIP is up after ${took} ms`);
  const because = async () => (await first.status())?.vips[0]?.because;
  assert.equal(await because(), 'provisional');
  // Eleven seconds at most, as everywhere (decision 0014), and a look-up.
  assert.ok(took < 12_500, `${took} ms`);
  await first.startApi();
  await until(async () => (await because())?.startsWith('acquired'), { what: 'the Lease to be written' });
  assert.deepEqual(cluster.holders(), [first]);
});
