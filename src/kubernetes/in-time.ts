import type { Clock } from '../time/clock.js';
import type { Instant } from '../time/instant.js';

/** What the promise gives, or `late` at `until`; the promise itself goes on. */
export async function inTime<T>(clock: Clock, until: Instant, promise: Promise<T>): Promise<T | 'late'> {
  let timer: Disposable | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = clock.at(until, () => resolve('late'));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.[Symbol.dispose]();
  }
}
