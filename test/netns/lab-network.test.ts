import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { watchAddress } from '../../src/lab/address-watch.js';
import { startClient } from '../../src/lab/client.js';
import { longestGap } from '../../src/lab/measure.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { captureArp } from './arp-capture.js';
import { addPlaces, places } from './places.js';
import { clock, until } from './poll.js';
import { program } from './program.js';
import { prepareCluster } from './with-cluster.js';

const vip = '10.77.0.100' as Ip;
const namespaces = (owner: number) => readdirSync('/run/netns').filter((name) => name.startsWith(`vipd-${owner}-`));

/** A TCP server on every address of the host, port 6443. */
async function startServer(host: Host): Promise<ChildProcess> {
  const source =
    'require("net").createServer((s) => s.on("error", () => {})).listen(6443, "0.0.0.0", () => console.log("up"))';
  const child = host.spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  return child;
}

test('five hosts are there in less than a second, and gone afterwards', async (t) => {
  const began = performance.now();
  {
    await using network = await createNetwork('five', process.pid, '10.77.0.1/24');
    const hosts = await Promise.all([11, 12, 13, 14, 15].map((n) => network.addHost(`h${n}`, `10.77.0.${n}/24`)));
    const took = performance.now() - began;
    t.diagnostic(`switch and five hosts: ${took.toFixed(0)} ms`);
    assert.ok(took < 1000, `${took} ms`);
    assert.deepEqual(
      hosts.map((host) => host.mac),
      ['02:00:0a:4d:00:0b', '02:00:0a:4d:00:0c', '02:00:0a:4d:00:0d', '02:00:0a:4d:00:0e', '02:00:0a:4d:00:0f'],
    );
    const ipv4 = (await hosts[0]?.addresses())?.filter((address) => address.interface === 'eth0')[0];
    assert.deepEqual(ipv4, {
      ip: '10.77.0.11',
      prefixLength: 24,
      interface: 'eth0',
      lifetimeSeconds: Number.POSITIVE_INFINITY,
    });
  }
  assert.deepEqual(
    namespaces(process.pid).filter((name) => name.includes('-five-')),
    [],
  );
});

test('two networks of the same name do not meet', async () => {
  await using one = await createNetwork('twin', process.pid);
  await using two = await createNetwork('twin', process.pid);
  const server = await one.addHost('a', '10.77.0.11/24');
  const stranger = await two.addHost('a', '10.77.0.12/24');
  await startServer(server);
  const client = startClient(stranger, program);
  const probe = client.probe({
    ip: server.ip,
    port: 6443,
    kind: 'connect',
    every: millis(10),
    timeout: millis(100),
    count: 3,
  });
  assert.deepEqual(
    (await probe.ended).map((result) => result.outcome),
    ['timeout', 'timeout', 'timeout'],
  );
});

test('a pulled cable is a gap as long as it was pulled, and leaves the addresses alone', async () => {
  await using network = await createNetwork('cable', process.pid);
  const server = await network.addHost('server', '10.77.0.11/24');
  const asker = await network.addHost('asker', '10.77.0.12/24');
  await startServer(server);
  const probe = startClient(asker, program).probe({
    ip: server.ip,
    port: 6443,
    kind: 'connect',
    every: millis(2),
    timeout: millis(200),
  });
  const successes = () => probe.results.filter((result) => result.outcome === 'ok').length;
  await until(() => successes() > 50, { what: 'connections' });
  await server.linkDown();
  const pulled = Date.now();
  await until(() => probe.results.some((result) => result.outcome === 'timeout'), { what: 'a failed connection' });
  assert.ok((await server.addresses()).some((address) => address.ip === server.ip));
  const raising = Date.now();
  await server.linkUp();
  const before = successes();
  await until(() => successes() > before + 50, { what: 'connections after the cable is back' });
  const results = await probe.stop();
  const inBetween = results.filter(({ outcome, at, took }) => outcome === 'ok' && at > pulled && at + took < raising);
  assert.deepEqual(inBetween, []);
  // The time that the client's own start took is no gap.
  const first = Math.min(...results.filter((result) => result.outcome === 'ok').map((result) => result.at));
  const gap = longestGap(results, first, Date.now());
  assert.ok(gap.length >= raising - pulled, `${gap.length} of ${raising - pulled}`);
});

test('the address watch sees an address come, be refreshed and expire', async () => {
  await using network = await createNetwork('watch', process.pid);
  const host = await network.addHost('holder', '10.77.0.11/24');
  await host.run('ip', ['address', 'add', `${vip}/32`, 'dev', 'eth0', 'valid_lft', '5', 'preferred_lft', '0']);
  const watch = await watchAddress(host, vip, clock);
  assert.equal(watch.held(), true);
  const refreshed = Date.now();
  await host.run('ip', ['address', 'change', `${vip}/32`, 'dev', 'eth0', 'valid_lft', '1', 'preferred_lft', '0']);
  await until(() => watch.removedAt() !== undefined, { what: 'the end of its lifetime' });
  assert.deepEqual(
    watch.events.map((event) => event.kind),
    ['put', 'removed'],
  );
  assert.equal(watch.held(), false);
  const lived = (watch.removedAt() ?? 0) - refreshed;
  assert.ok(lived > 900 && lived < 3000, `${lived} ms`);
});

test('captured announcements can be told apart by sender', async () => {
  await using network = await createNetwork('arp', process.pid);
  const one = await network.addHost('one', '10.77.0.11/24');
  const two = await network.addHost('two', '10.77.0.12/24');
  const capture = await captureArp(two);
  const client = startClient(one, program);
  const probe = client.probe({
    ip: two.ip,
    port: 1,
    kind: 'connect',
    every: millis(1),
    timeout: millis(500),
    count: 1,
  });
  assert.equal((await probe.ended)[0]?.outcome, 'refused');
  await until(() => capture.packets.length >= 2, { what: 'a question and its answer' });
  const [question, answer] = capture.packets;
  assert.equal(question?.operation, 'request');
  assert.equal(question?.senderMac, one.mac);
  assert.equal(answer?.operation, 'reply');
  assert.equal(answer?.senderMac, two.mac);
  assert.ok(Math.abs((answer?.at ?? 0) - Date.now()) < 5000);
  assert.deepEqual(capture.announcements(two.ip), []);
});

test('what a killed owner leaves behind dies at once or is swept by the next network', async () => {
  const owner = `
    import { createNetwork } from ${JSON.stringify(join(import.meta.dirname, '../../src/lab/network.js'))};
    const network = await createNetwork('orphan', process.pid);
    const host = await network.addHost('host', '10.77.0.11/24');
    console.log(host.spawn('sleep', ['60']).pid);
    setInterval(() => {}, 1000);`;
  const runner = spawn(process.execPath, ['--input-type=module', '-e', owner], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = await once(createInterface({ input: runner.stdout }), 'line');
  assert.equal(namespaces(runner.pid ?? 0).length, 2);
  runner.kill('SIGKILL');
  await once(runner, 'exit');
  await until(() => !existsSync(`/proc/${pid}`), { what: `the end of process ${pid}` });
  await using _network = await createNetwork('next', process.pid);
  assert.deepEqual(namespaces(runner.pid ?? 0), []);
});

for (const families of [[6], [4, 6]] as const satisfies readonly (readonly [Family, ...Family[]])[]) {
  test(`a cluster of IPv${families.join(' and IPv')}: its API servers are reached over each, from its subnet and from beyond`, async () => {
    await using cluster = await prepareCluster(`ip${families.join('')}`, { families });
    const [first] = cluster.nodes;
    assert.ok(first);
    const clients = await addPlaces(cluster, first);
    for (const { name, host } of cluster.nodes) {
      assert.equal(host.ips.length, families.length);
      for (const ip of host.ips) {
        const order = { ip, port: 6443, kind: 'request', count: 1, every: millis(1), timeout: millis(2000) } as const;
        const answers = await Promise.all(places.map((place) => clients[place].probe(order).ended));
        const who = answers.map(([answer]) => answer?.backend ?? answer?.outcome);
        assert.deepEqual(who, [name, name, name, name], ip);
      }
    }
  });
}
