import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Probe } from '../../src/lab/client.js';
import { type ClusterNode, vipPort } from '../../src/lab/cluster.js';
import type { Family } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { holdConnections } from './held-connections.js';
import { until } from './poll.js';
import { certificateOf, type StandIn, startStandIn } from './stand-in.js';
import { readBackend, readTurns } from './vipd-view.js';
import { type PreparedCluster, prepareCluster, startVipds } from './with-cluster.js';

export interface FailureOptions {
  readonly mode: string;
  readonly family: Family;
  /** Of the checks, in milliseconds. */
  readonly times: CheckTimes;
  /** Milliseconds: between two connections, until one counts as failed, for all that is waited for. */
  readonly connectEvery: number;
  readonly timeout: number;
  readonly patience: number;
  /** More of the VIP's settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

interface CheckTimes {
  readonly interval: number;
  readonly fastInterval: number;
  readonly timeout: number;
  readonly fall: number;
  readonly rise: number;
}

/** A way in which a backend ends to serve, and how it comes back. */
interface Failure {
  readonly name: string;
  /** The check's word for it. */
  readonly because: string;
  /** How its open connections end; undefined: the backend's own kernel ends them. */
  readonly end: string | undefined;
  strike(): unknown;
  mend(): unknown;
}

/** With the request seven connections in a row: were it six, all requests would go to one of three backends in turns. */
const connectsPerRequest = 6;
const heldEach = 3;
/** From the verdict to the reset of the last open connection. */
const resetWithin = 1000;

/** Whole daemons, a client that connects all the time, and one backend that fails in every way there is. */
export function describeFailures(options: FailureOptions): void {
  const { mode, family, times, patience } = options;
  // From the failure on: what the settings promise (`fall` × `interval`), which fast checks keep for silent backends too.
  const promise = times.fall * times.interval;
  assert.ok(times.interval + (times.fall - 1) * times.fastInterval + times.timeout <= promise);

  describe(`${mode}, IPv${family}`, { concurrency: 1 }, () => {
    let cluster: PreparedCluster;
    let leader: ClusterNode;
    let target: ClusterNode;
    const figures: string[] = [];

    before(async () => {
      const { fall, rise } = times;
      const healthCheck = {
        ...{ fall, rise },
        interval: `${times.interval}ms`,
        fastInterval: `${times.fastInterval}ms`,
        timeout: `${times.timeout}ms`,
      };
      const settings = { loadBalancer: { mode, ports: [vipPort], healthCheck }, ...options.settings };
      cluster = await prepareCluster(`fail-${mode}${family}`, { families: [family], settings });
      leader = await startVipds(cluster, patience);
      target = cluster.nodes.find((node) => node !== leader) as ClusterNode;
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
      console.log(figures.map((line) => `  ${line}`).join('\n'));
    });

    const becomes = (name: string, state: 'up' | 'down') =>
      until(async () => (await readBackend(leader, name))?.state === state, {
        within: patience,
        what: `${name} ${state}`,
      });

    /** The first turn of the target's health after that moment. */
    const turned = (to: 'up' | 'down', since: number) =>
      until(async () => (await readTurns(leader, target.name)).find((turn) => turn.to === to && turn.at >= since), {
        within: patience,
        every: 5,
        what: `the log's line that ${target.name} is ${to}`,
      });

    async function suffer(failure: Failure): Promise<void> {
      for (const { name } of cluster.nodes) await becomes(name, 'up');
      const to = { ip: cluster.vip, port: vipPort };
      const held = await holdConnections(cluster.clientHost, to, 3 * heldEach, patience);
      for (const { name } of cluster.nodes) assert.equal(held.filter((h) => h.backend === name).length, heldEach, name);
      const timeout = millis(options.timeout);
      const connects = cluster.client.probe({ ...to, kind: 'connect', every: millis(options.connectEvery), timeout });
      const requests = cluster.client.probe({
        ...to,
        kind: 'request',
        every: millis(options.connectEvery * connectsPerRequest),
        timeout,
      });
      await until(() => answered(requests, target.name, 0), { within: patience, what: `an answer of ${target.name}` });

      const struck = Date.now();
      await failure.strike();
      const verdict = await turned('down', struck);
      assert.equal(verdict.because, failure.because);
      assert.ok(verdict.at - struck <= promise, `down after ${verdict.at - struck} ms`);
      const mine = held.filter(({ backend }) => backend === target.name);
      await until(() => mine.every(({ end }) => end !== undefined), { within: patience, what: 'no connection left' });
      await until(() => Date.now() >= struck + promise + 1000, {
        within: patience,
        what: 'a second beyond the promise',
      });

      const mended = Date.now();
      await failure.mend();
      const back = await turned('up', mended);
      await until(() => answered(requests, target.name, back.at), {
        within: patience,
        what: `${target.name} serves again`,
      });
      const results = await Promise.all([connects.stop(), requests.stop()]);
      const late = results.map((kind) => kind.filter(({ at }) => at >= struck + promise));
      const failed = late.map((kind) => kind.filter(({ outcome }) => outcome !== 'ok'));
      const before = results.map((kind) => kind.filter(({ at, outcome }) => at < struck + promise && outcome !== 'ok'));
      const resets = mine.map(({ end }) => (end?.at ?? Number.NaN) - verdict.at);
      figures.push(
        `${mode} IPv${family}, ${failure.name}: down after ${verdict.at - struck} ms, open connections ended ` +
          `${Math.max(...resets)} ms after the verdict, up ${back.at - mended} ms after the mend; ` +
          `failed connects and requests ${before.map((kind) => kind.length).join(' and ')} until ${promise} ms, ` +
          `${failed.map((kind) => kind.length).join(' and ')} of ${late.map((kind) => kind.length).join(' and ')} after`,
      );
      assert.ok(late.every((kind) => kind.length > 0));
      assert.deepEqual(failed, [[], []]);
      if (failure.end !== undefined) assert.deepEqual([...new Set(mine.map(({ end }) => end?.because))], [failure.end]);
      assert.ok(Math.max(...resets) <= resetWithin, resets.join(', '));
      const others = held.filter(({ backend }) => backend !== target.name);
      assert.deepEqual([...new Set(others.map(({ end }) => end))], [undefined], 'connections to other backends stay');
    }

    test('its process killed', () =>
      suffer({
        name: 'killed',
        because: 'refused',
        end: undefined,
        strike: () => target.api?.signal('SIGKILL'),
        mend: () => target.startApi(),
      }));

    test('all its packets dropped', () =>
      suffer({
        name: 'blackholed',
        because: 'timeout',
        end: 'ECONNRESET',
        strike: () => target.host.run('nft', [blackhole]),
        mend: () => target.host.run('nft', ['delete table inet blackhole']),
      }));

    test('half-dead: takes connections, never answers TLS', () =>
      suffer({
        name: 'half-dead',
        because: 'timeout',
        end: 'ECONNRESET',
        strike: () => target.api?.signal('SIGSTOP'),
        mend: () => target.api?.signal('SIGCONT'),
      }));

    test('/readyz says 500', async () => {
      target.api?.signal('SIGKILL');
      await becomes(target.name, 'down');
      const certificate = await certificateOf(target.name, cluster.folder);
      const server: StandIn = await startStandIn(target.host, cluster.folder, certificate, 200);
      await suffer({
        name: '500',
        because: 'status-500',
        end: 'ECONNRESET',
        strike: () => server.say(500),
        mend: () => server.say(200),
      });
      await server.end();
    });
  });
}

/** Nothing of the API server's port comes in or goes out; the rest of the host goes on. */
const blackhole = `
table inet blackhole {
  chain in { type filter hook input priority -300; iifname eth0 tcp dport ${vipPort} drop; }
  chain out { type filter hook output priority -300; oifname eth0 tcp sport ${vipPort} drop; }
}`;

function answered(requests: Probe, backend: string, since: number): boolean {
  return requests.results.some((result) => result.backend === backend && result.at >= since);
}
