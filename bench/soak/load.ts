import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../test/netns/poll.js';
import { median } from '../figures.js';
import { metricsPort, type Running, startContestant } from '../proxies/contestants.js';
import { createSite, type Place, ports, type Site } from '../proxies/site.js';
import { measureRequests } from '../proxies/traffic.js';
import type { Verdict } from '../run.js';
import { residentOf } from './memory.js';
import { type Refreshes, watchRefreshes } from './refreshes.js';
import { stolenSeconds, type Thread, threadsOf } from './threads.js';

/** As manifests/vipd.service has it. */
const unitNice = -15;
/** Growth of memory, at most. */
const growth = 0.02;
/** A refresh is due each third of the lifetime; ms later than that it is late. */
const slack = 50;

/** The daemon at full load for long: memory, errors, the event loop, the dead-man's refresh. */
export async function loadDaemon(minutes: number, folder: string): Promise<Verdict> {
  await using site = await createSite(process.pid, folder);
  const place = await site.addPlace('vipd');
  const running = await startContestant('vipd', place, 2, join(folder, 'vipd'), unitNice);
  await until(() => isUp(site, running), { what: 'the proxy' });
  return await soak(site, running, place, minutes);
}

async function isUp({ client }: Site, { http }: Running): Promise<boolean> {
  return client.run('curl', ['-sf', '--max-time', '1', `http://${http}:${ports.http}/`]).then(
    () => true,
    () => false,
  );
}

/** Bulk, small requests and new connections at once, again and again; the VIPs are addresses that live by being refreshed. */
async function soak(site: Site, running: Running, place: Place, minutes: number): Promise<Verdict> {
  const { daemon, http, bulk } = running;
  const end = performance.now() + minutes * 60_000;
  const isOver = () => performance.now() >= end || !daemon.running();
  let errors = 0;
  const seconds = String(Math.ceil((end - performance.now()) / 1000));
  const words = ['-c', bulk, '-p', String(ports.bulk), '-P', '4', '-t', seconds];
  const stream: ChildProcess = site.client.spawn('iperf3', words);
  const requests = async (how: 'open' | 'new') => {
    while (!isOver()) errors += (await measureRequests(site.client, http, how, 10)).errors;
  };
  const sizes: number[] = [];
  const watch = async () => {
    while (!isOver()) {
      sizes.push(await residentOf(daemon));
      await sleep(1000);
    }
  };
  const metrics = () => site.client.run('curl', ['-sf', `http://${place.front}:${metricsPort}/metrics`]);
  const refreshes = await watchRefreshes(place.namespace);
  const before = await threadsOf(daemon.pid);
  const stolenBefore = await stolenSeconds();
  await Promise.all([requests('open'), requests('new'), watch()]);
  const threads = await threadsOf(daemon.pid);
  const stolen = (await stolenSeconds()) - stolenBefore;
  const refreshed = await refreshes.end();
  stream.kill();
  const lag = lagOf(await metrics());
  // What the first tenth needs is warming up.
  const part = Math.max(1, Math.floor(sizes.length / 10));
  const [first, last] = [median(sizes.slice(part, 2 * part)), median(sizes.slice(-part))];
  const grown = last / first - 1;
  const isFlat = grown < growth;
  const isSound = daemon.running() && errors === 0;
  const isPrompt = lag.share >= 0.99;
  const isKeptAlive = refreshed.length > 0 && refreshed.every(isInTime);
  const isSplit = threads.every(({ name, nice }) => nice === (name === 'vipd-relay' ? 0 : unitNice));
  const lines = [
    `${minutes} min: ${errors} errors; resident ${mib(first)} MiB at first, ${mib(last)} MiB at last (${(100 * grown).toFixed(2)} %)`,
    `event loop late: ${lag.says}`,
    ...refreshed.map(refreshLine),
    `${threadLine(before, threads)}; ${stolen.toFixed(1)} s of processor time went to other machines on this one`,
  ];
  for (const line of lines) console.log(`load: ${line}`);
  return {
    isKept: isFlat && isSound && isPrompt && isKeptAlive && isSplit,
    figures: { grown, errors, lag, refreshed, threads, stolen, sizes },
  };
}

function isInTime({ lifetime, longest, removed }: Refreshes): boolean {
  return removed === 0 && longest <= lifetime / 3 + slack;
}

function refreshLine(refreshes: Refreshes): string {
  const { address, count, p50, p99, longest, lifetime, left, removed } = refreshes;
  const [half, most, worst, least] = [p50, p99, longest, left].map((ms) => ms.toFixed(1));
  return `${address} refreshed ${count} times, ${half} ms apart (p50), ${most} (p99), ${worst} (most): of ${lifetime} ms at least ${least} were left; removed ${removed} times${isInTime(refreshes) ? '' : ': LATE'}`;
}

function threadLine(before: readonly Thread[], after: readonly Thread[]): string {
  const spent = (which: (thread: Thread) => boolean, key: 'ran' | 'waited') => {
    const sum = (threads: readonly Thread[]) => threads.filter(which).reduce((total, thread) => total + thread[key], 0);
    return (sum(after) - sum(before)).toFixed(1);
  };
  const niceOf = (which: (thread: Thread) => boolean) =>
    [...new Set(after.filter(which).map(({ nice }) => nice))].join();
  const isMain = ({ isMain }: Thread) => isMain;
  const isRelay = ({ name }: Thread) => name === 'vipd-relay';
  const parts = [
    ['main thread', isMain],
    ['relay', isRelay],
  ] as const;
  return parts
    .map(
      ([name, which]) =>
        `${name}: nice ${niceOf(which)}, ${spent(which, 'ran')} s of processor time, waited ${spent(which, 'waited')} s for it`,
    )
    .join('; ');
}

/** The daemon's own histogram: one look a second. */
function lagOf(metrics: string) {
  const buckets = [...metrics.matchAll(/^vipd_event_loop_lag_seconds_bucket\{le="([\d.]+|\+Inf)"\} (\d+)$/gm)].map(
    ([, le, count]) => ({ ms: le === '+Inf' ? Number.POSITIVE_INFINITY : 1000 * Number(le), count: Number(count) }),
  );
  const total = buckets.at(-1)?.count ?? 0;
  const sum = Number(/^vipd_event_loop_lag_seconds_sum ([\d.e-]+)$/m.exec(metrics)?.[1]);
  const within = (share: number) => buckets.find(({ count }) => count >= share * total)?.ms ?? Number.NaN;
  const share = (buckets.find(({ ms }) => ms === 5)?.count ?? 0) / total;
  const [p50, p99, most] = [within(0.5), within(0.99), within(1)];
  const mean = (1000 * sum) / total;
  return {
    ...{ buckets, share, p50, p99, most, mean },
    says: `${mean.toFixed(2)} ms on average, p50 ≤ ${p50} ms, p99 ≤ ${p99} ms, at most ${most} ms; within 5 ms in ${(100 * share).toFixed(2)} % of ${total} looks`,
  };
}

function mib(kib: number): string {
  return (kib / 1024).toFixed(1);
}
