import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../../src/lab/daemon.js';
import { until } from './poll.js';
import { program } from './program.js';
import { prepareCluster } from './with-cluster.js';

const lease = { duration: '5s', renewDeadline: '3s', retryPeriod: '1s' };
const settings = { addresses: ['api.example'], dnsInterval: '1s', election: { lease } };
const next = '10.77.0.199';

test('a name that changes while the API is away moves nobody: the VIP is held, and moves when the API is back', async () => {
  await using cluster = await prepareCluster('name-loss', { settings, size: 2 });
  const { nodes, vip, folder } = cluster;
  const hosts = join(folder, 'hosts');
  // In place: what is mounted is the file, not its name.
  const say = (ip: string) => writeFile(hosts, `127.0.0.1 localhost\n${ip} api.example\n`);
  await say(vip);
  const wrap = ['--mount', 'sh', '-c', `mount --bind ${hosts} /etc/hosts && exec "$@"`, 'sh'];
  const daemons = await Promise.all(
    nodes.map(({ host, configFile, logs }) =>
      startDaemon(host, 'unshare', [...wrap, program.node, program.script, 'start', '--config', configFile], logs.vipd),
    ),
  );
  const leader = await cluster.holder(10_000);
  const see = async () => {
    const all = await Promise.all(nodes.map((node) => node.status()));
    return all.map((status) => status?.vips[0]);
  };
  await until(async () => (await see()).every((each) => each?.leader === leader.name), {
    what: 'both to know the leader',
  });
  for (const { api } of nodes) api?.signal('SIGKILL');
  await until(async () => (await leader.status())?.vips[0]?.because === 'api-loss-hold', {
    within: 15_000,
    what: 'the VIP held without proof',
  });
  await say(next);
  for (const { logs } of nodes)
    await until(async () => (await readFile(logs.vipd, 'utf8')).includes('"because":"waiting-for-api"'), {
      what: 'the move to be put off',
    });
  assert.deepEqual(cluster.holders(), [leader]);
  assert.deepEqual((await leader.status())?.vips[0]?.addresses, [vip]);
  for (const { host } of nodes) assert.ok((await host.addresses()).every(({ ip }): boolean => ip !== (next as string)));

  for (const node of nodes) await node.startApi();
  const moved = async () =>
    (await see()).every((each) => each?.addresses.join() === next) && (await see()).some((each) => each?.held);
  await until(moved, { within: 30_000, what: 'the move' });
  assert.deepEqual(cluster.holders(), []);
  for (const daemon of daemons) daemon.signal('SIGTERM');
  for (const daemon of daemons) assert.equal((await daemon.ended).code, 0);
});
