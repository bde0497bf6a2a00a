// The relay under load for long: every byte arrives, memory stays, the event loop is in time. bench/README.md says how to read it.
import { countOf, runBenchmark, type Verdict, wordsOf } from './run.js';
import { carryData } from './soak/data.js';
import { loadDaemon } from './soak/load.js';
import { manners, tryManners } from './soak/manners/manners.js';

const known = ['data', 'manners', 'load'] as const;
const options = {
  parts: { describe: 'LIST: of data, manners, load (all)' },
  manners: { describe: `LIST: of ${manners.join(', ')} (all)` },
  gib: { describe: 'data, N: GiB through the relay in all, half each way (10)' },
  connections: { describe: 'data, N: in parallel (200)' },
  minutes: { describe: 'load, N: at full load (10)' },
};

await runBenchmark('soak', options, async (chosen, folder) => {
  const parts: Readonly<Record<(typeof known)[number], () => Promise<Verdict>>> = {
    data: () => carryData(countOf(chosen, 'gib', 10), countOf(chosen, 'connections', 200)),
    manners: () => tryManners(folder, wordsOf(chosen, 'manners', manners)),
    load: () => loadDaemon(countOf(chosen, 'minutes', 10), folder),
  };
  const verdicts: Record<string, Verdict> = {};
  for (const part of wordsOf(chosen, 'parts', known)) verdicts[part] = await parts[part]();
  return { isKept: Object.values(verdicts).every(({ isKept }) => isKept), figures: verdicts };
});
