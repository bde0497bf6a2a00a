import type { Relay } from '../kernel/ports.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';

const period = millis(1000);
/** So many looks in a row without progress are no accident: the machine may be busy, and the process may have been stopped. */
const patience = 5;

/**
 * Looks once a second whether all threads of the relay make progress, until disposed. Tells once, in a sentence, of one that does not:
 * its clients hang, and nothing but a new process mends that.
 */
export function watchRelay(
  relay: Pick<Relay, 'progress'>,
  clock: Clock,
  onStall: (sentence: string) => void,
): Disposable {
  let before: readonly number[] = [];
  let stalls: readonly number[] = [];
  let timer: Disposable;

  function look(): void {
    const now = relay.progress();
    stalls = now.map((turns, thread) => (turns === before[thread] ? (stalls[thread] ?? 0) + 1 : 0));
    before = now;
    const trouble = now.map((turns, thread) => troubleOf(thread, turns, stalls[thread] ?? 0)).find(Boolean);
    if (trouble === undefined) wait();
    else onStall(trouble);
  }

  function wait(): void {
    timer = clock.at(plus(clock.now(), period), look);
  }

  wait();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

function troubleOf(thread: number, turns: number, stalls: number): string | undefined {
  if (turns < 0) return `thread ${thread + 1} of the relay stands still at a bug of its own, signal ${-turns}`;
  return stalls >= patience ? `thread ${thread + 1} of the relay has made no progress for ${patience} s` : undefined;
}
