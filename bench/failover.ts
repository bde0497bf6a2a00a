// How long a VIP is away with vipd and with keepalived at equal timers, in one run. bench/README.md says how to read it.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mishap, measureOutage, mishaps, type Outage } from '../test/netns/vrrp-outage.js';
import { type Contestant, contestants, type Timers } from '../test/netns/vrrp-pair.js';
import { median, signed, table } from './figures.js';
import { countOf, runBenchmark, wordsOf } from './run.js';

/** How much longer than keepalived's an outage by a cut may be, in milliseconds. */
const allowance = 20;

const settings: Readonly<Record<'v2-1s' | 'v3-100ms' | 'v3-10ms', Timers>> = {
  'v2-1s': { version: 2, advertInterval: 1000 },
  'v3-100ms': { version: 3, advertInterval: 100 },
  'v3-10ms': { version: 3, advertInterval: 10 },
};
type Setting = keyof typeof settings;

/** One setting, one mishap: both contestants' rounds, in order. */
interface Measured {
  readonly setting: Setting;
  readonly mishap: Mishap;
  readonly rounds: Readonly<Record<Contestant, readonly Outage[]>>;
}

const options = {
  rounds: { describe: 'N: rounds of each contestant, in turn (5; with --quick 1)' },
  quick: { describe: 'one round of each, to see that it runs', isSwitch: true },
  timers: { describe: `LIST: of ${Object.keys(settings).join(', ')} (all)` },
  mishaps: { describe: `LIST: of ${mishaps.join(', ')} (cut, stop)` },
};

const titles: Readonly<Record<Mishap, string>> = {
  cut: 'The master’s cable is pulled at the switch; it loses its carrier',
  'silent-cut': 'The switch forwards nothing to or from the master any more; it keeps its carrier',
  stop: 'The master is told to stop: SIGTERM',
};

await runBenchmark('bench:failover', options, async (chosen, folder) => {
  const rounds = countOf(chosen, 'rounds', chosen.quick === true ? 1 : 5);
  const chosenSettings = wordsOf(chosen, 'timers', Object.keys(settings) as Setting[]);
  const chosenMishaps = wordsOf({ mishaps: 'cut,stop', ...chosen }, 'mishaps', mishaps);
  console.log(`A client connects every 2 ms; outages in ms; ${rounds} rounds, keepalived and vipd in turn`);
  const all: Measured[] = [];
  for (const mishap of chosenMishaps) {
    console.log(`\n${titles[mishap]}`);
    for (const setting of chosenSettings) all.push(await measure(setting, mishap, rounds, folder));
    const these = all.filter((measured) => measured.mishap === mishap);
    console.log(`${outageTable(these)}\n${traceTable(these)}`);
  }
  return { isKept: all.every(isKept), figures: { allowance, measured: all.map(withVerdict) } };
});

async function measure(setting: Setting, mishap: Mishap, rounds: number, folder: string): Promise<Measured> {
  const outages: Record<Contestant, Outage[]> = { keepalived: [], vipd: [] };
  for (let round = 0; round < rounds; round++) {
    for (const who of contestants) {
      const own = join(folder, `${setting}-${mishap}-${who}-${round}`);
      await mkdir(own);
      outages[who].push(await measureOutage(who, settings[setting], mishap, own));
    }
    const [theirs, ours] = contestants.map((who) => outages[who].at(-1)?.length.toFixed(0));
    console.error(`  ${setting}, round ${round + 1}: keepalived ${theirs}, vipd ${ours}`);
  }
  return { setting, mishap, rounds: outages };
}

function differences({ rounds }: Measured): readonly number[] {
  return rounds.vipd.map(({ length }, round) => length - (rounds.keepalived[round]?.length ?? Number.NaN));
}

/** Of a planned hand-over the promise is that nothing fails, whatever others do. */
function isKept(measured: Measured): boolean {
  if (measured.mishap === 'stop') return failedOf(measured, 'vipd') === 0;
  return median(differences(measured)) <= allowance;
}

function failedOf({ rounds }: Measured, who: Contestant): number {
  return median(rounds[who].map(({ failed }) => failed));
}

function outageTable(all: readonly Measured[]): string {
  const headings = ['timers', 'keepalived', 'vipd', 'difference', 'worst', 'failed: keepalived', 'vipd', 'promise'];
  const rows = all.map((measured) => {
    const { rounds, setting } = measured;
    const outageOf = (who: Contestant) => median(rounds[who].map(({ length }) => length)).toFixed(0);
    const promise = measured.mishap === 'stop' ? 'no failed connect' : `≤ keepalived + ${allowance} ms`;
    return [
      setting,
      ...contestants.map(outageOf),
      signed(median(differences(measured))),
      signed(Math.max(...differences(measured))),
      ...contestants.map((who) => failedOf(measured, who).toFixed(0)),
      `${promise}: ${isKept(measured) ? 'kept' : 'broken'}`,
    ];
  });
  return table([headings, ...rows]);
}

/** Where the time went, by the packets on the successor's cable. */
function traceTable(all: readonly Measured[]): string {
  const headings = ['from the last advertisement to', 'advertising', 'announcing', 'answering'];
  const rows = all.flatMap(({ setting, rounds }) =>
    contestants.map((who) => {
      const of = (key: 'advertised' | 'announced' | 'answered') => median(rounds[who].map((outage) => outage[key]));
      return [`${setting} ${who}`, ...[of('advertised'), of('announced'), of('answered')].map((ms) => ms.toFixed(1))];
    }),
  );
  return table([headings, ...rows]);
}

function withVerdict(measured: Measured) {
  return { ...measured, isKept: isKept(measured), difference: median(differences(measured)) };
}
