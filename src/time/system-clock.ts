import type { Clock } from './clock.js';
import type { Instant } from './instant.js';

/**
 * The machine's clock, and the one place that calls setTimeout.
 * @param boottime reads CLOCK_BOOTTIME in milliseconds
 */
export function createSystemClock(boottime: () => number): Clock {
  return {
    now: () => boottime() as Instant,
    wall: () => new Date(),
    at(instant, action) {
      // Node rounds timers down to whole milliseconds: wake after the instant, never before it.
      const timer = setTimeout(action, Math.max(0, Math.ceil(instant - boottime())));
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}
