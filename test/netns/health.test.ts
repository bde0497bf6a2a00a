import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../../src/lab/certificates.js';
import { type ClusterNode, vip, vipPort } from '../../src/lab/cluster.js';
import { clock, until } from './poll.js';
import { certificateOf, startStandIn } from './stand-in.js';
import { readBackend } from './vipd-view.js';
import { type PreparedCluster, prepareCluster } from './with-cluster.js';

const times = { interval: 300, fastInterval: 100, timeout: 500, fall: 3, rise: 2 };
/** From the moment at which a backend stops answering. */
const silentFor = times.interval + (times.fall - 1) * times.fastInterval + times.timeout;
const slack = 400;

describe('https checks', { concurrency: 1 }, () => {
  let cluster: PreparedCluster;
  let watching: ClusterNode;
  let other: ClusterNode;
  let sick: ClusterNode;
  const figures: string[] = [];

  before(async () => {
    const healthCheck = { ...times, interval: '300ms', fastInterval: '100ms', timeout: '500ms' };
    // The CA is the kubeconfig's, the path /readyz: the defaults where the backends come from nodes.
    const settings = { loadBalancer: { ports: [vipPort], healthCheck } };
    cluster = await prepareCluster('health', { settings });
    [watching, other, sick] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    await watching.startVipd();
    await cluster.holder(10_000);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    console.log(figures.map((line) => `  ${line}`).join('\n'));
  });

  /** Waits until the backend is in the state and its last check had the result; how many milliseconds it took. */
  async function becomes(node: ClusterNode, state: 'up' | 'down', result: string): Promise<number> {
    const began = clock.now();
    await until(
      async () => {
        const now = await readBackend(watching, node.name);
        return now?.state === state && now.lastCheck?.result === result;
      },
      { every: 10, what: `${node.name} ${state} because ${result}` },
    );
    return clock.now() - began;
  }

  /** The answers of twelve requests through the VIP, each over a connection of its own. */
  async function throughVip(): Promise<readonly number[]> {
    const call = { method: 'GET', url: `https://${vip}:${vipPort}/readyz`, headers: { connection: 'close' } };
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) statuses.push((await cluster.client.call(call)).status);
    return statuses;
  }

  test('API servers with certificates of the cluster’s CA are up', async () => {
    for (const node of cluster.nodes) await becomes(node, 'up', 'ok');
  });

  test('a half-dead API server, which takes connections and answers nothing, leaves the pool and comes back', async () => {
    other.api?.signal('SIGSTOP');
    const took = await becomes(other, 'down', 'timeout');
    assert.ok(took <= silentFor + slack, `${took} ms`);
    assert.ok((await throughVip()).every((status) => status === 200));
    other.api?.signal('SIGCONT');
    const back = await becomes(other, 'up', 'ok');
    figures.push(`half-dead: down after ${took.toFixed(0)} ms, up ${back.toFixed(0)} ms after it answers again`);
  });

  test('one whose /readyz says 500 leaves the pool after `fall` checks and comes back after `rise`', async () => {
    const certificate = await certificateOf(sick.name, cluster.folder);
    sick.api?.signal('SIGKILL');
    await becomes(sick, 'down', 'refused');
    const server = await startStandIn(sick.host, cluster.folder, certificate, 200);
    await becomes(sick, 'up', 'ok');
    await server.say(500);
    const took = await becomes(sick, 'down', 'status-500');
    const failures = await server.answers(500);
    assert.ok(failures >= times.fall && failures <= times.fall + 1, `${failures} answers`);
    assert.ok(took <= times.interval + 2 * times.fastInterval + slack, `${took} ms`);
    assert.ok((await throughVip()).every((status) => status === 200));
    const before = await server.answers(200);
    await server.say(200);
    const back = await becomes(sick, 'up', 'ok');
    assert.ok((await server.answers(200)) - before >= times.rise);
    figures.push(`500: down after ${took.toFixed(0)} ms and ${failures} checks, up again after ${back.toFixed(0)} ms`);
    await server.end();
  });

  test('a certificate of another CA is named in the log once, not at each check', async () => {
    // The same name, as every cluster's CA has.
    const stranger = await createAuthority('vipd lab', clock.wall());
    const certificate = await stranger.issue({ commonName: sick.name, ips: [sick.host.ip] });
    const server = await startStandIn(sick.host, cluster.folder, certificate, 200);
    await becomes(sick, 'down', 'certificate-unknown-ca');
    const checks = new Set<string | undefined>();
    await until(async () => checks.add((await readBackend(watching, sick.name))?.lastCheck?.at).size > 5, {
      what: 'five more checks',
    });
    const lines = (await readFile(watching.logs.vipd, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('certificate-unknown-ca'))
      .map((line) => JSON.parse(line));
    assert.equal(lines.length, 1);
    const { level, backend: name, because, mend } = lines[0];
    assert.deepEqual([level, name, because], ['warn', sick.name, 'certificate-unknown-ca']);
    assert.match(mend, /healthCheck\.ca/);
    assert.equal(await server.answers(200), 0);
    await server.end();
  });
});
