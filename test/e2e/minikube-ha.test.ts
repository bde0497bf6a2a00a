import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { longestOverlap } from '../../src/lab/address-watch.js';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { tally } from '../../src/lab/measure.js';
import { millis } from '../../src/time/instant.js';
import type { VipStatus } from '../../src/vip/status.js';
import { until } from '../netns/poll.js';
import { program } from '../netns/program.js';
import type { Attempt } from './kubectl.js';
import { createMinikube, type Minikube, type MinikubeNode, port, vip } from './minikube.js';

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS);
const hasKubectl = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'kubectl')));
const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : programs === undefined
      ? 'no kube-apiserver here: run scripts/install-apiserver.sh'
      : !hasKubectl && 'no kubectl here: install the Debian package kubernetes-client';

/** A dead leader's Lease of 5 s has to end first; milliseconds. */
const takeoverLimit = 5300;

test('minikube --ha: nodes deleted and added, a worker, the leader gone; kubectl works all along', {
  skip,
}, async () => {
  await using minikube = await createMinikube(programs as string);
  const { kubectl } = minikube;
  const [m01, m02, m03] = (await Promise.all(
    ['m01', 'm02', 'm03'].map((name, index) => minikube.addMachine(name, 11 + index)),
  )) as [MinikubeNode, MinikubeNode, MinikubeNode];

  // The first node serves before the cluster knows of any node.
  await m01.startPod();
  await until(() => m01.address.held(), { what: 'the address on m01' });
  await until(() => kubectl.run('get', 'nodes').then(() => true), { every: 100, what: 'an answer through the VIP' });
  const nodesSeen = kubectl.repeat('get', 'nodes', '-o', 'name');
  const mark = stopwatch();
  for (const node of [m01, m02, m03]) await minikube.register(node, 'control-plane');
  await Promise.all([m02.startPod(), m03.startPod()]);
  await poolIs(m01, 'm01 up', 'm02 up', 'm03 up');
  assert.equal(await logged(m01), 'leader, m01 leads');
  for (const node of [m02, m03]) {
    await until(async () => (await logged(node)) === 'follower, m01 leads', { what: `${node.name} to log what it is` });
    const status = await vipOf(node);
    assert.deepEqual([status.role, status.leader], ['follower', 'm01']);
  }
  assert.equal(await backendOf(minikube, 40), 'm01 m02 m03');
  mark('three nodes up');

  // What m02 is answering as it dies is lost whoever balances; what is asked afterwards is not.
  await nodesSeen.between();
  const m02Gone = await m02.destroy();
  await poolIs(m01, 'm01 up', 'm02 down', 'm03 up');
  const noticed = Date.now() - m02Gone;
  assert.deepEqual(await metricsOf(minikube, m01), { m01: 1, m02: 0, m03: 1 });
  await kubectl.run('delete', 'node', 'm02');
  await poolIs(m01, 'm01 up', 'm03 up');
  assert.deepEqual(await metricsOf(minikube, m01), { m01: 1, m03: 1 });
  assert.ok(m01.address.held(), 'a follower that dies moves nothing');
  mark(`m02 deleted (down after ${noticed} ms)`);

  const m04 = await minikube.addMachine('m04', 14);
  await minikube.register(m04, 'control-plane');
  await m04.startPod();
  await poolIs(m01, 'm01 up', 'm03 up', 'm04 up');
  assert.deepEqual(await metricsOf(minikube, m01), { m01: 1, m03: 1, m04: 1 });
  assert.equal(await backendOf(minikube, 40), 'm01 m03 m04');
  mark('m04 added');

  // It would answer if it were asked: only the pool keeps requests away from it.
  const m05 = await minikube.addMachine('m05', 15);
  await minikube.register(m05, 'worker');
  await until(() => nodesSeen.attempts.at(-1)?.output?.includes('node/m05'), { what: 'kubectl to show m05' });
  assert.equal(await backendOf(minikube, 40), 'm01 m03 m04');
  await poolIs(m01, 'm01 up', 'm03 up', 'm04 up');
  assert.deepEqual(await metricsOf(minikube, m01), { m01: 1, m03: 1, m04: 1 });
  mark('worker m05 added');

  const killed = await m01.destroy();
  const { successor, taken } = await until(
    () => {
      const node = [m03, m04].find(({ address }) => address.held());
      const event = node?.address.events.find(({ kind, at }) => kind === 'put' && at > killed);
      return node !== undefined && event !== undefined && { successor: node, taken: event.at };
    },
    { every: 5, what: 'another node with the address' },
  );
  const after = await until(() => nodesSeen.attempts.find(({ from, output }) => from > taken && output !== undefined), {
    what: 'kubectl after the takeover',
  });
  assert.ok(taken - killed < takeoverLimit, `taken after ${taken - killed} ms`);
  const removed = await until(() => m01.address.removedAt(), { what: 'the end of the address on the dead m01' });
  for (const node of [m03, m04]) {
    const role = `${node === successor ? 'leader' : 'follower'}, ${successor.name} leads`;
    await until(async () => (await logged(node)) === role, { what: `${node.name} to log ${role}` });
  }
  await kubectl.run('delete', 'node', 'm01');
  await poolIs(successor, 'm03 up', 'm04 up');
  assert.deepEqual(await metricsOf(minikube, successor), { m03: 1, m04: 1 });
  assert.equal(await backendOf(minikube, 40), 'm03 m04');
  assert.equal(await leaseHolder(minikube), successor.name);
  mark(`m01 deleted: taken by ${successor.name} after ${(taken - killed).toFixed(0)} ms`);

  const attempts = await nodesSeen.stop();
  assert.deepEqual(attempts.at(-1)?.output?.trim().split('\n'), ['node/m03', 'node/m04', 'node/m05']);
  const tenures = [m01, m02, m03, m04, m05].map(({ address }) => address.tenures(Date.now()));
  assert.equal(longestOverlap(tenures), 0, 'two nodes with the address');
  const failed = attempts.filter(({ output }) => output === undefined);
  const during = ({ from, to }: Attempt) => to > killed && from < taken;
  const longest = Math.max(...attempts.map(({ from, to }) => to - from));
  console.log(
    `  kubectl: ${attempts.length} runs, ${failed.length} failed (${failed.filter(during).length} in the takeover), the longest took ` +
      `${longest} ms; the first that began after the takeover ${after.to - after.from} ms; m01 had the address for ` +
      `${(removed - killed).toFixed(0)} ms after its death`,
  );
  assert.deepEqual(
    failed.filter((attempt) => !during(attempt)),
    [],
  );
  assert.ok(removed < taken, 'the dead node kept the address for too long');
});

/** Prints how long each part took. */
function stopwatch() {
  let since = Date.now();
  return (what: string) => {
    console.log(`  ${((Date.now() - since) / 1000).toFixed(1)} s: ${what}`);
    since = Date.now();
  };
}

/** What `vipd status --json` prints on the node, of its VIP. */
async function vipOf({ host, pod, name }: MinikubeNode): Promise<VipStatus> {
  if (pod === undefined) throw new Error(`no vipd on ${name}`);
  const words = [program.script, 'status', '--json', '--admin-socket', pod.adminSocket];
  return JSON.parse(await host.run(program.node, words)).vips[0];
}

/** Waits until the leader has just these in its pool, and serves. */
async function poolIs(leader: MinikubeNode, ...wanted: readonly string[]): Promise<void> {
  await until(
    async () => {
      const { role, held, loadBalancer } = await vipOf(leader);
      const pool = loadBalancer.backends.map(({ name, state }) => `${name} ${state}`);
      return role === 'leader' && held && pool.join() === wanted.join();
    },
    { every: 100, within: 15_000, what: `${leader.name} with the pool ${wanted.join(', ')}` },
  );
}

/** What the node's vipd last logged of the election: its role, and who leads. */
async function logged({ pod }: MinikubeNode): Promise<string> {
  const lines = (await readFile(pod?.log ?? '', 'utf8')).split('\n').filter((line) => line.includes('"leadership"'));
  const { to, leader } = JSON.parse(lines.at(-1) ?? '{}');
  return `${to}, ${leader} leads`;
}

/** Which backends are up and which are not, as the client reads it from the node's metrics. */
async function metricsOf({ client }: Minikube, { host }: MinikubeNode): Promise<Readonly<Record<string, number>>> {
  const { body } = await client.call({ method: 'GET', url: `http://${host.ip}:2112/metrics`, headers: {} });
  const lines = body.matchAll(/^vipd_backend_up\{.*backend="([^"]*)".*\} (\d)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value]) => [name, Number(value)]));
}

/** Who answers so many requests through the VIP. */
async function backendOf({ client }: Minikube, count: number): Promise<string> {
  const order = { kind: 'request', every: millis(20), timeout: millis(3000) } as const;
  const results = await client.probe({ ...order, ip: vip, port, count }).ended;
  assert.ok(results.every(({ outcome }) => outcome === 'ok'));
  return [...tally(results).keys()].sort().join(' ');
}

function leaseHolder({ kubectl }: Minikube): Promise<string> {
  return kubectl.run('get', 'lease', 'plndr-cp-lock', '-n', 'kube-system', '-o', 'jsonpath={.spec.holderIdentity}');
}
