import type { Clock } from '../time/clock.js';
import type { Instant } from '../time/instant.js';

/** The same clock until the signal aborts; then time has run out: whoever waits stops waiting, and every deadline has passed. */
export function interruptibleClock(clock: Clock, stop: AbortSignal): Clock {
  const waiting = new Set<{ readonly timer: Disposable; readonly action: () => void }>();
  stop.addEventListener('abort', () => {
    for (const { timer, action } of waiting) {
      timer[Symbol.dispose]();
      queueMicrotask(action);
    }
    waiting.clear();
  });
  return {
    now: () => (stop.aborted ? (Number.POSITIVE_INFINITY as Instant) : clock.now()),
    wall: () => clock.wall(),
    at(instant, action) {
      if (stop.aborted) return clock.at(clock.now(), action);
      const timer = clock.at(instant, () => {
        waiting.delete(entry);
        action();
      });
      const entry = { timer, action };
      waiting.add(entry);
      return {
        [Symbol.dispose]() {
          waiting.delete(entry);
          timer[Symbol.dispose]();
        },
      };
    },
  };
}
