import { performance } from 'node:perf_hooks';
import { until as untilOnClock } from '../../src/lab/until.js';
import { millis } from '../../src/time/instant.js';
import { createSystemClock } from '../../src/time/system-clock.js';

/** The machine's clock, for tests. */
export const clock = createSystemClock(() => performance.now());

/**
 * The only way in which netns and e2e tests wait for what sends no event: looks until the condition gives something other than
 * undefined or false, and returns it; fails with a message that names what was waited for.
 * @param patience milliseconds: `within` (default 10 s), `every` (default 20 ms)
 */
export function until<T>(
  condition: () => T | Promise<T>,
  { within = 10_000, every = 20, what }: { within?: number; every?: number; what: string },
): Promise<Exclude<T, undefined | false>> {
  return untilOnClock(clock, condition, { within: millis(within), every: millis(every), what });
}
