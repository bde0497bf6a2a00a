import type { Clock } from '../../src/time/clock.js';
import type { Instant } from '../../src/time/instant.js';

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Lets `milliseconds` pass; due actions run in the order of their instants, each at its own instant. */
  advance(milliseconds: number): void;
  /** The process was stopped: time has passed, no action has run. The next `advance`, even by 0, runs them late. */
  freeze(milliseconds: number): void;
}

interface Pending {
  readonly instant: Instant;
  readonly action: () => void;
}

/** `wall` is the wall clock at the start. */
export function createFakeClock(wall = new Date('2024-01-01T00:00:00Z')): FakeClock {
  const start = 1_000_000;
  let now = start as Instant;
  const pending = new Set<Pending>();

  /** The first due action; of equal instants the one that was asked for first. */
  function nextUntil(end: Instant): Pending | undefined {
    let next: Pending | undefined;
    for (const entry of pending) {
      if (entry.instant <= end && (next === undefined || entry.instant < next.instant)) next = entry;
    }
    return next;
  }

  return {
    now: () => now,
    wall: () => new Date(wall.getTime() + now - start),
    at(instant, action) {
      const entry = { instant, action };
      pending.add(entry);
      return { [Symbol.dispose]: () => pending.delete(entry) };
    },
    advance(milliseconds) {
      const end = (now + milliseconds) as Instant;
      for (let entry = nextUntil(end); entry !== undefined; entry = nextUntil(end)) {
        pending.delete(entry);
        now = Math.max(now, entry.instant) as Instant;
        entry.action();
      }
      now = end;
    },
    freeze(milliseconds) {
      now = (now + milliseconds) as Instant;
    },
  };
}
