import type { Instant } from './instant.js';

/** Where time comes from. `now` decides; `wall` is only for people and for the Lease's fields. */
export interface Clock {
  now(): Instant;
  wall(): Date;
  /** Runs `action` once at `instant` (at once, but not synchronously, if that has passed). Disposing cancels it. */
  at(instant: Instant, action: () => void): Disposable;
}
