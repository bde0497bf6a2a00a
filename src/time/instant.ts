/** Milliseconds of a duration. */
export type Millis = number & { readonly __unit: 'Millis' };

/**
 * A point on the machine's own clock, in milliseconds since boot, time asleep included (CLOCK_BOOTTIME). Never compared between
 * machines. A virtual machine that was frozen, or a laptop that slept, wakes with an instant that says so.
 */
export type Instant = number & { readonly __unit: 'Instant' };

export function millis(value: number): Millis {
  return value as Millis;
}

export function plus(instant: Instant, duration: Millis): Instant {
  return (instant + duration) as Instant;
}

/** `later - earlier`; negative when they come the other way round. */
export function between(earlier: Instant, later: Instant): Millis {
  return (later - earlier) as Millis;
}

/** The earliest of the instants that are given; undefined when none is. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const instant of instants) {
    if (instant !== undefined && (first === undefined || instant < first)) first = instant;
  }
  return first;
}
