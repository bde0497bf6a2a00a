import { type Instant, type Millis, plus } from '../time/instant.js';

/**
 * Whether this node reaches a backend, as far as its priority goes by it. When the backends falter, all nodes find out within one
 * interval of their checks: whoever has the VIP waits so long before it counts, so that the VIP does not go to a node that is about
 * to find out too; and one that reaches a backend again waits as long before it takes the VIP back.
 */
export interface ServingState {
  /** What the priority goes by. Nothing is known at first, and who knows of no backend takes the VIP from nobody. */
  readonly counts: boolean;
  readonly serves: boolean;
  readonly since: Instant;
  /** Has this router the VIP? */
  readonly holds: boolean;
  /** Before it first reaches one there is nothing to wait for. */
  readonly hasServed: boolean;
}

export function initialServing(now: Instant): ServingState {
  return { counts: false, serves: false, since: now, holds: false, hasServed: false };
}

/** @param patience the interval of the checks */
export function stepServing(
  state: ServingState,
  is: { readonly serves: boolean; readonly holds: boolean },
  patience: Millis,
  now: Instant,
): ServingState {
  const next = { ...state, ...is, since: is.serves === state.serves ? state.since : now };
  const isSettled = now >= settledAt(next, patience);
  return { ...next, counts: isSettled ? next.serves : next.counts, hasServed: next.hasServed || next.serves };
}

/** When it is to be stepped although nothing has changed. */
export function nextServingDeadline(state: ServingState, patience: Millis): Instant | undefined {
  return state.counts === state.serves ? undefined : settledAt(state, patience);
}

function settledAt({ serves, holds, since, hasServed }: ServingState, patience: Millis): Instant {
  return serves === holds || (serves && !hasServed) ? since : plus(since, patience);
}
