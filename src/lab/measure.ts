import { type Millis, millis } from '../time/instant.js';
import type { ProbeResult } from './probe.js';

/** A stretch of time in which no attempt succeeded: from one success to the next. Wall clock, milliseconds. */
export interface Gap {
  readonly from: number;
  readonly length: Millis;
}

/**
 * The longest time without a success, counted from the end of one successful attempt to the end of the next.
 * The time before the first and after the last success counts too: `began` and `ended` are the probe's.
 */
export function longestGap(results: readonly ProbeResult[], began: number, ended: number): Gap {
  const successes = results.filter((result) => result.outcome === 'ok').map((result) => result.at + result.took);
  successes.sort((a, b) => a - b);
  let longest: Gap = { from: began, length: millis(0) };
  let previous = began;
  for (const success of [...successes, ended]) {
    if (success - previous > longest.length) longest = { from: previous, length: millis(success - previous) };
    previous = Math.max(previous, success);
  }
  return longest;
}

/** How many requests each backend answered. */
export function tally(results: readonly ProbeResult[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { backend } of results) {
    if (backend !== undefined) counts.set(backend, (counts.get(backend) ?? 0) + 1);
  }
  return counts;
}

/** When the backend last began to serve a request; undefined when it never did. */
export function lastAnswerOf(backend: string, results: readonly ProbeResult[]): number | undefined {
  const times = results.filter((result) => result.backend === backend).map((result) => result.at);
  return times.length === 0 ? undefined : Math.max(...times);
}
