// A listener handed from process to process under load: nobody is refused, nobody reset. bench/README.md says how to read it.
import { handOver } from '../test/contract/handovers.js';
import { median } from './figures.js';
import { countOf, runBenchmark } from './run.js';

const options = {
  times: { describe: 'N: hand-overs (1000)' },
  rate: { describe: 'N: connections begun each second meanwhile (500)' },
  held: { describe: 'N: connections open from the beginning to the end (100)' },
};

await runBenchmark('bench:handover', options, async (chosen) => {
  const times = countOf(chosen, 'times', 1000);
  const perSecond = countOf(chosen, 'rate', 500);
  const held = countOf(chosen, 'held', 100);
  const began = performance.now();
  const onProgress = (done: number) => {
    if (done % 100 === 0) console.error(`${done} of ${times}`);
  };
  const result = await handOver({ times, perSecond, held, onProgress });
  const { answered = 0, ...others } = result.clients;
  const survived = result.held.filter((how) => how === 'answered').length;
  const seconds = (performance.now() - began) / 1000;
  const sorted = result.took.toSorted((a, b) => a - b);
  const rate = result.perSecond.toFixed(0);
  console.log(
    `${times} hand-overs in ${seconds.toFixed(0)} s (${median(sorted).toFixed(1)} ms each, median; ${sorted.at(-1)?.toFixed(1)} ms the longest), ${rate} connections a second:\n` +
      `answered ${answered}, otherwise ${JSON.stringify(others)}\n` +
      `open from the beginning to the end: ${survived} of ${held}, ${result.heldByFirst} connections in the first process when it left\n` +
      `processes by exit status ${JSON.stringify(result.exits)}, their connections by ending ${JSON.stringify(result.endings)}`,
  );
  const isLoaded = result.perSecond > 0.98 * perSecond;
  const isWhole = Object.keys(others).length === 0 && survived === held && result.exits[0] === times;
  return { isKept: isLoaded && isWhole && result.heldByFirst >= held, figures: result };
});
