// What a vipd that leads, and one that follows, has in memory, and how soon after its start the VIP is there. bench/README.md says how to read it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Cluster, type ClusterNode, createCluster, vipPort } from '../src/lab/cluster.js';
import { captureArp } from '../test/netns/arp-capture.js';
import { ask, type Memory, readMemory, type StartTimes, timeStart } from '../test/netns/footprint.js';
import { clock, until } from '../test/netns/poll.js';
import { program } from '../test/netns/program.js';
import { median, table } from './figures.js';
import { countOf, runBenchmark, wordsOf } from './run.js';

/** The promises: MiB resident, at every look; milliseconds from the start of the program to the first announcement, median. */
const promised = { rss: 80, start: 1000 };

const modes = ['proxy', 'nftables'] as const;
type Mode = (typeof modes)[number];

/** One look at one daemon. */
interface Look {
  readonly mode: Mode;
  readonly role: 'leader' | 'follower';
  readonly when: string;
  readonly memory: Memory;
}

interface Start extends StartTimes {
  readonly mode: Mode;
}

const options = {
  rounds: { describe: 'N: starts in each mode (5; with --quick 1)' },
  idle: { describe: 'N: seconds of idling before the second look (60; with --quick 5)' },
  scrapes: { describe: 'N: times /metrics is read before the third look (100)' },
  statuses: { describe: 'N: times the status is asked for before the third look (50)' },
  modes: { describe: `LIST: of ${modes.join(', ')} (all)` },
  quick: { describe: 'to see that it runs', isSwitch: true },
};

await runBenchmark('bench:footprint', options, async (chosen, folder) => {
  const quick = chosen.quick === true;
  const rounds = countOf(chosen, 'rounds', quick ? 1 : 5);
  const idle = countOf(chosen, 'idle', quick ? 5 : 60);
  const scrapes = countOf(chosen, 'scrapes', 100);
  const statuses = countOf(chosen, 'statuses', 50);
  const looks: Look[] = [];
  const starts: Start[] = [];
  const bare = await bareNode();
  for (const mode of wordsOf(chosen, 'modes', modes)) {
    const own = join(folder, mode);
    await mkdir(own);
    const loadBalancer = { mode, ports: [vipPort], backends: { from: 'nodes', port: vipPort } };
    await using cluster = await createCluster({
      ...{ program, clock, name: mode, folder: own, api: 'embedded', size: 3 },
      settings: { loadBalancer: { ...loadBalancer, healthCheck: { type: 'tcp' } } },
    });
    const [leader, ...others] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    starts.push(...(await startTimes(cluster, leader, rounds)).map((times) => ({ mode, ...times })));
    await Promise.all(others.map((node) => node.startVipd()));
    await Promise.all(others.map(follows));
    const look = async (when: string) => {
      for (const [role, node] of [['leader', leader] as const, ['follower', others[0]] as const])
        looks.push({ mode, role, when, memory: await readMemory(node.vipd?.pid ?? Number.NaN) });
    };
    await look('started');
    await setTimeout(idle * 1000);
    await look(`${idle} s idle`);
    for (const node of [leader, others[0]]) await ask(cluster, node, scrapes, statuses);
    await look('asked');
  }
  const bundle = await bundleSize();
  console.log(`What runs, in MiB; asked: ${scrapes} times for /metrics, ${statuses} times for the status`);
  console.log(memoryTable(bare, looks));
  console.log(`\nFrom the start of the program to the VIP in ms, ${rounds} starts, the Lease free`);
  console.log(startTable(starts));
  console.log(`\nThe bundle, without its source maps: ${(bundle / 1024).toFixed(0)} KiB`);
  const isKept =
    looks.every(({ memory }) => memory.rss <= promised.rss) &&
    median(starts.map(({ announced }) => announced)) <= promised.start;
  console.log(`At most ${promised.rss} MiB and ${promised.start} ms: ${isKept ? 'kept' : 'broken'}`);
  return { isKept, figures: { promised, bare, looks, starts, bundle } };
});

/** Node.js itself, which does nothing. */
async function bareNode(): Promise<Memory> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1e9)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await setTimeout(1000);
  const memory = await readMemory(child.pid as number);
  child.kill();
  return memory;
}

/** The daemon is left running after the last start. */
async function startTimes(cluster: Cluster, node: ClusterNode, rounds: number): Promise<StartTimes[]> {
  const capture = await captureArp(node.host);
  const all: StartTimes[] = [];
  for (let round = 0; round < rounds; round++) {
    // An orderly stop leaves the Lease free.
    node.vipd?.signal('SIGTERM');
    await node.vipd?.ended;
    all.push(await timeStart(cluster, node, capture));
  }
  return all;
}

function follows(node: ClusterNode) {
  return until(async () => (await node.status())?.vips[0]?.role === 'follower', { what: `${node.name} as follower` });
}

async function bundleSize(): Promise<number> {
  const folder = join(program.script, '..');
  const parts = await readdir(join(folder, 'vipd'), { recursive: true }).catch(() => []);
  const files = [program.script, ...parts.map((part) => join(folder, 'vipd', part))];
  const sizes = await Promise.all(files.filter((file) => file.endsWith('.js')).map((file) => stat(file)));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

function memoryTable(bare: Memory, looks: readonly Look[]): string {
  const row = (what: string, memory: Memory) => [
    what,
    ...[memory.rss, memory.pss, memory.privateDirty, memory.peak].map((mebibytes) => mebibytes.toFixed(1)),
    (memory.rss / bare.rss).toFixed(2),
  ];
  return table([
    ['', 'RSS', 'PSS', 'private dirty', 'peak RSS', 'RSS to bare Node.js'],
    row('bare Node.js', bare),
    ...looks.map(({ mode, role, when, memory }) => row(`${mode}, ${role}, ${when}`, memory)),
  ]);
}

function startTable(starts: readonly Start[]): string {
  const rows = [...new Set(starts.map(({ mode }) => mode))].map((mode) => {
    const these = starts.filter((start) => start.mode === mode);
    const announced = these.map((start) => start.announced);
    const figures = [median(these.map(({ held }) => held)), median(announced), Math.max(...announced)];
    return [mode, ...figures.map((ms) => ms.toFixed(0))];
  });
  return table([['', 'address', 'announced', 'slowest'], ...rows]);
}
