// The proxy beside HAProxy and nginx's stream, in one run. bench/README.md says how to read it.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../test/netns/poll.js';
import { median, table } from './figures.js';
import { barChart } from './plot.js';
import {
  type Contestant,
  contestants,
  cpuSeconds,
  memory,
  type Running,
  startContestant,
} from './proxies/contestants.js';
import { createSite, type Place, ports, type Site } from './proxies/site.js';
import { holdConnections, measureBulk, measureRequests } from './proxies/traffic.js';
import { countOf, runBenchmark, wordsOf } from './run.js';

const options = {
  rounds: { describe: 'N: rounds of each contestant, in turn (5; with --quick 2)' },
  seconds: { describe: 'N: how long each measurement lasts (5; with --quick 1)' },
  threads: { describe: 'N: of each contestant (1)' },
  quick: { describe: 'two short rounds, in two minutes', isSwitch: true },
  contestants: { describe: `LIST: of ${contestants.join(', ')} (all)` },
  columns: { describe: 'LIST: of bulk1, bulk8, requests, connections, memory (all)' },
  plots: { describe: 'FOLDER: a plot of each column' },
};

const groups = ['bulk1', 'bulk8', 'requests', 'connections', 'memory'] as const;
type Group = (typeof groups)[number];

/** One figure: what it is, and what is promised of vipd's. */
interface Column {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly isLessBetter: boolean;
  /** vipd's, of the peer's: at least, or at most. */
  readonly promises: Readonly<Partial<Record<Contestant, number>>>;
}

const columns = {
  bulk1: column('bulk, 1 stream', 'Gb/s', 1, { haproxy: 1.25 }),
  bulk8: column('bulk, 8 streams', 'Gb/s', 1, { haproxy: 1.25 }),
  cpu: less('processor time, bulk, 1 stream', 's/GB', 3, { haproxy: 1 }),
  connections: column('new connections', '/s', 0, { haproxy: 1.25, nginx: 1 }),
  requests: column('requests, 64 open connections', '/s', 0, { haproxy: 1, nginx: 1 }),
  p99: less('their 99th percentile', 'ms', 2, { haproxy: 1, nginx: 1 }),
  memory: less('memory, 1,000 idle connections', 'KiB', 0, { haproxy: 1 }),
} as const;
type Key = keyof typeof columns;
type Figures = Partial<Record<Key, number>>;

function column(
  title: string,
  unit: string,
  digits: number,
  promises: Column['promises'],
  isLessBetter = false,
): Column {
  return { title, unit, digits, isLessBetter, promises };
}

function less(title: string, unit: string, digits: number, promises: Column['promises']): Column {
  return column(title, unit, digits, promises, true);
}

const idleConnections = 5000;
const settling = 5000;

await runBenchmark('bench', options, async (chosen, folder) => {
  const isQuick = chosen.quick === true;
  const rounds = countOf(chosen, 'rounds', isQuick ? 2 : 5);
  const seconds = countOf(chosen, 'seconds', isQuick ? 1 : 5);
  const threads = countOf(chosen, 'threads', 1);
  const who = wordsOf(chosen, 'contestants', contestants);
  const what = wordsOf(chosen, 'columns', groups);
  await using site = await createSite(process.pid, folder);
  const places = new Map<Contestant, Place>();
  for (const one of who) places.set(one, await site.addPlace(one));
  console.log(
    `Each with ${threads} thread${threads === 1 ? '' : 's'}, ${rounds} rounds of ${seconds} s in turn; medians, and of the rounds' ratios`,
  );
  const all: Record<string, Figures[]> = { direct: [], ...Object.fromEntries(who.map((one) => [one, []])) };
  for (let round = 0; round < rounds; round++) {
    const direct = { daemon: undefined, http: site.direct, bulk: site.direct };
    all.direct?.push(await measure(site, direct, what, seconds));
    for (const one of who) {
      const started = () => startContestant(one, places.get(one) as Place, threads, join(folder, `${one}-${round}`));
      const figures = await inTurn(site, started, async (running) => measure(site, running, what, seconds));
      const idle = what.includes('memory')
        ? await inTurn(site, started, (running) => measureMemory(site, running))
        : {};
      all[one]?.push({ ...figures, ...idle });
    }
    console.error(
      `  round ${round + 1} of ${rounds}: ${JSON.stringify(Object.fromEntries(Object.entries(all).map(([name, list]) => [name, list.at(-1)])))}`,
    );
  }
  const verdicts = Object.keys(columns).flatMap((key) => judge(key as Key, all, who));
  console.log(
    `\n${figureTable(all)}\n\n${table([['vipd’s', 'of', 'ratio', 'promised', ''], ...verdicts.map((verdict) => verdict.row)])}`,
  );
  if (typeof chosen.plots === 'string') await plot(chosen.plots, all);
  return { isKept: verdicts.every(({ isKept }) => isKept), figures: { threads, rounds, seconds, all } };
});

/** Runs a contestant for a while, alone. */
async function inTurn<T>(site: Site, start: () => Promise<Running>, use: (running: Running) => Promise<T>): Promise<T> {
  const running = await start();
  try {
    for (const [address, port] of [
      [running.http, ports.http],
      [running.bulk, ports.bulk],
    ] as const) {
      const isOpen = async () => {
        if (!running.daemon.running()) throw new Error(await readFile(running.daemon.log, 'utf8'));
        const dial = site.client.run('bash', ['-c', `exec 3<>/dev/tcp/${address}/${port}`]);
        return dial.then(
          () => true,
          () => false,
        );
      };
      await until(isOpen, { what: `an answer at ${address}:${port}` });
    }
    return await use(running);
  } finally {
    running.daemon.signal('SIGTERM');
    await Promise.race([running.daemon.ended, sleep(10_000)]);
    running.daemon.signal('SIGKILL');
    await running.daemon.ended;
  }
}

async function measure(
  { client }: Site,
  { daemon, http, bulk }: Omit<Running, 'daemon'> & { readonly daemon: Running['daemon'] | undefined },
  what: readonly Group[],
  seconds: number,
): Promise<Figures> {
  const figures: Figures = {};
  if (what.includes('bulk1')) {
    const before = daemon === undefined ? 0 : await cpuSeconds(daemon);
    const { gigabits, bytes } = await measureBulk(client, bulk, 1, seconds);
    figures.bulk1 = gigabits;
    if (daemon !== undefined) figures.cpu = ((await cpuSeconds(daemon)) - before) / (bytes / 1e9);
  }
  if (what.includes('bulk8')) figures.bulk8 = (await measureBulk(client, bulk, 8, seconds)).gigabits;
  if (what.includes('requests')) {
    const { perSecond, p99, errors } = await measureRequests(client, http, 'open', seconds);
    if (errors > 0) throw new Error(`${errors} errors on open connections`);
    figures.requests = perSecond;
    figures.p99 = p99;
  }
  if (what.includes('connections'))
    figures.connections = (await measureRequests(client, http, 'new', seconds)).perSecond;
  return figures;
}

async function measureMemory({ client }: Site, { daemon, http }: Running): Promise<Figures> {
  await measureRequests(client, http, 'open', 1);
  // What has just started gives memory back for a while.
  await sleep(settling);
  const before = await memory(daemon);
  await using _ = await holdConnections(client, http, idleConnections);
  await sleep(settling);
  return { memory: ((await memory(daemon)) - before) / (idleConnections / 1000) };
}

function valuesOf(all: Readonly<Record<string, readonly Figures[]>>, who: string, key: Key): readonly number[] {
  return (all[who] ?? []).flatMap((figures) => figures[key] ?? []);
}

function figureTable(all: Readonly<Record<string, readonly Figures[]>>): string {
  const rows = Object.entries(columns).flatMap(([key, { title, unit, digits }]) => {
    const medians = Object.keys(all).map((who) => median(valuesOf(all, who, key as Key)));
    if (medians.every(Number.isNaN)) return [];
    return [[`${title}, ${unit}`, ...medians.map((value) => (Number.isNaN(value) ? '' : value.toFixed(digits)))]];
  });
  return table([['', ...Object.keys(all)], ...rows]);
}

function judge(
  key: Key,
  all: Readonly<Record<string, readonly Figures[]>>,
  who: readonly Contestant[],
): readonly { readonly isKept: boolean; readonly row: readonly string[] }[] {
  const { title, isLessBetter, promises }: Column = columns[key];
  const ours = valuesOf(all, 'vipd', key);
  return contestants.flatMap((peer) => {
    const promised = promises[peer];
    const theirs = valuesOf(all, peer, key);
    if (promised === undefined || !who.includes(peer) || ours.length === 0) return [];
    const ratio = median(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
    const isKept = isLessBetter ? ratio <= promised : ratio >= promised;
    return [
      {
        isKept,
        row: [title, peer, ratio.toFixed(2), `${isLessBetter ? '≤' : '≥'} ${promised}`, isKept ? 'kept' : 'BROKEN'],
      },
    ];
  });
}

async function plot(folder: string, all: Readonly<Record<string, readonly Figures[]>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [key, { title, unit, digits, isLessBetter }] of Object.entries(columns)) {
    const bars = Object.keys(all)
      .map((name) => ({ name, values: valuesOf(all, name, key as Key) }))
      .filter(({ values }) => values.length > 0);
    if (bars.length > 0)
      await writeFile(join(folder, `${key}.svg`), barChart({ title, unit, digits, isLessBetter, bars }));
  }
}
