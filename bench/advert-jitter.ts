// How evenly a master advertises every 10 ms, idle and at work, with vipd and with keepalived. bench/README.md says how to read it.
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { askStatus } from '../src/admin/client.js';
import { startClient } from '../src/lab/client.js';
import { startDaemon } from '../src/lab/daemon.js';
import { millis } from '../src/time/instant.js';
import { until } from '../test/netns/poll.js';
import { program } from '../test/netns/program.js';
import { type Contestant, contestants, type Pair, vip, withPair } from '../test/netns/vrrp-pair.js';
import { quantile, table } from './figures.js';
import { countOf, runBenchmark, wordsOf } from './run.js';

const timers = { version: 3, advertInterval: 10 } as const;
const port = 5201;
const backend = { name: 'a', ip: '10.77.0.30' };

/** `asked`: status and metrics, ten times a second each. keepalived answers neither. */
const loads = ['idle', 'bulk', 'asked'] as const;
type Load = (typeof loads)[number];

interface Round {
  /** Between one advertisement and the next, as the backup received them, in milliseconds. */
  readonly gaps: readonly number[];
  /** Advertisements of the backup, which has no reason to send any. */
  readonly takenOver: number;
  readonly gigabits: number | undefined;
}

interface Measured {
  readonly load: Load;
  readonly who: Contestant;
  readonly rounds: Round[];
}

const options = {
  rounds: { describe: 'N: rounds of each contestant, in turn (4)' },
  seconds: { describe: 'N: how long a round is (15)' },
  loads: { describe: `LIST: of ${loads.join(', ')} (all)` },
};

const haproxy = `global
  nbthread 1
defaults
  mode tcp
  option splice-auto
  timeout connect 1s
  timeout client 60s
  timeout server 60s
listen bulk
  bind :${port}
  server ${backend.name} ${backend.ip}:${port}
`;

const headings = ['', 'advertisements', 'Gb/s', 'p50', 'p99', 'p99.9', 'longest', '> 20 ms', '> 36 ms', 'taken over'];

await runBenchmark('bench:jitter', options, async (chosen, folder) => {
  const rounds = countOf(chosen, 'rounds', 4);
  const seconds = countOf(chosen, 'seconds', 15);
  const chosenLoads = wordsOf(chosen, 'loads', loads);
  console.log(`Advertisements every 10 ms: the gaps between them, in ms; ${rounds} rounds of ${seconds} s, in turn`);
  const all: Measured[] = [];
  for (const load of chosenLoads) {
    const these = contestants
      .filter((who) => load !== 'asked' || who === 'vipd')
      .map((who): Measured => ({ load, who, rounds: [] }));
    all.push(...these);
    for (let round = 0; round < rounds; round++) {
      for (const measured of these) {
        const own = join(folder, `${load}-${measured.who}-${round}`);
        await mkdir(own);
        measured.rounds.push(await measure(load, measured.who, seconds, own));
        console.error(`  ${load}, round ${round + 1}: ${measured.who} ${sum(measured.rounds.slice(-1)).join('  ')}`);
      }
    }
  }
  console.log(table([headings, ...all.map(({ load, who, rounds }) => [`${load} ${who}`, ...sum(rounds)])]));
  const isKept = all.every(({ who, rounds }) => who !== 'vipd' || rounds.every(({ takenOver }) => takenOver === 0));
  return { isKept, figures: { timers, seconds, measured: all } };
});

async function measure(load: Load, who: Contestant, seconds: number, folder: string): Promise<Round> {
  let round: Round | undefined;
  const servers = [{ name: backend.name, address: `${backend.ip}:${port}` }];
  // Once: iperf3 ends a stream when somebody else connects.
  const healthCheck = { type: 'tcp', interval: '300s' };
  const balancing = { mode: 'proxy', ports: [port], backends: { from: 'static', servers }, healthCheck };
  const vipd = { loadBalancer: balancing, metrics: { listen: ':2112' } };
  const use = async (pair: Pair) => {
    const { sightings } = pair;
    const work = load === 'bulk' ? (await startBulk(pair, who, seconds + 2, folder)).ended : undefined;
    const stop = new AbortController();
    const asking = load === 'asked' ? ask(pair, stop.signal) : undefined;
    // Their failures are looked at when the time is over.
    for (const loading of [work, asking]) loading?.catch(() => {});
    // Beginnings are not measured: connections being made, code that is compiled as it becomes hot.
    await setTimeout(1500);
    const before = sightings.length;
    await setTimeout(1000 * seconds);
    const seen = sightings.slice(before);
    stop.abort();
    await asking;
    const gigabits = await work;
    const beats = seen.filter(({ by, what }) => by === 'first' && what === 'advertisement').map(({ at }) => at);
    const gaps = beats.slice(1).map((at, i) => at - (beats[i] ?? 0));
    const takenOver = seen.filter(({ by, what }) => by === 'second' && what === 'advertisement').length;
    round = { gaps, takenOver, gigabits };
  };
  await withPair(who, timers, folder, use, { vipd });
  if (round === undefined) throw new Error('nothing was measured');
  return round;
}

/** One stream through the master's balancer, keepalived's being HAProxy; what came through in the end, in Gb/s. */
async function startBulk(
  pair: Pair,
  who: Contestant,
  seconds: number,
  folder: string,
): Promise<{ readonly ended: Promise<number> }> {
  const server = await pair.network.addHost('server', `${backend.ip}/24`);
  await startDaemon(server, 'iperf3', ['-s', '-p', String(port)], join(folder, 'iperf3.log'));
  if (who === 'keepalived') {
    const config = join(folder, 'haproxy.cfg');
    await writeFile(config, haproxy);
    await startDaemon(pair.first, 'haproxy', ['-db', '-f', config], join(folder, 'haproxy.log'));
  }
  await until(() => isReady(pair, who), { what: 'the balancer' });
  const options = ['-c', vip, '-p', String(port), '-t', String(seconds), '-J'];
  const child = pair.client.spawn('iperf3', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = Promise.all([text(child.stdout as NonNullable<typeof child.stdout>), once(child, 'close')]);
  return { ended: output.then(([report]) => rateOf(report)) };
}

function rateOf(output: string): number {
  const report: { readonly end?: { readonly sum_received?: { readonly bits_per_second: number } } } =
    JSON.parse(output);
  // Reset before its time: the VIP moved.
  return (report.end?.sum_received?.bits_per_second ?? 0) / 1e9;
}

/** Both vipds have to have checked the backend first; HAProxy, which checks none here, has to listen. */
async function isReady({ client, sockets }: Pair, who: Contestant): Promise<boolean> {
  if (who === 'vipd') {
    const answers = await Promise.all([askStatus(sockets.first), askStatus(sockets.second)]);
    return answers.every((one) => one.ok && one.status.vips[0]?.loadBalancer.backends[0]?.state === 'up');
  }
  const order = { ip: vip, port, kind: 'connect', every: millis(2), timeout: millis(500), count: 1 } as const;
  const [result] = await startClient(client, program).probe(order).ended;
  return result?.outcome === 'ok';
}

/** As `vipd status` and Prometheus ask, but more often. */
async function ask({ first, client, sockets }: Pair, stop: AbortSignal): Promise<void> {
  const agent = startClient(client, program);
  const scrape = { method: 'GET', url: `http://${first.ip}:2112/metrics`, headers: {} };
  while (!stop.aborted) {
    const [status, metrics] = await Promise.all([askStatus(sockets.first), agent.call(scrape), setTimeout(100)]);
    if (!status.ok) throw new Error(status.message);
    if (metrics.status !== 200) throw new Error(`/metrics: ${metrics.status}`);
  }
}

function sum(rounds: readonly Round[]): string[] {
  const gaps = rounds.flatMap((round) => round.gaps);
  const longer = (limit: number) => String(gaps.filter((gap) => gap > limit).length);
  const rates = rounds.flatMap(({ gigabits }) => gigabits ?? []);
  return [
    String(gaps.length),
    rates.length === 0 ? '–' : (rates.reduce((a, b) => a + b, 0) / rates.length).toFixed(1),
    ...[0.5, 0.99, 0.999, 1].map((share) => quantile(gaps, share).toFixed(2)),
    longer(20),
    // Three intervals and the backup's skew time.
    longer(36),
    String(rounds.filter(({ takenOver }) => takenOver > 0).length),
  ];
}
