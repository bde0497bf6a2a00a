import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

/** Asks every 5 ms whether the condition holds, and fails when it does not within `seconds` of real time. */
export async function until(condition: () => boolean | Promise<boolean>, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `not within ${seconds} s: ${condition}`);
    await setTimeout(5);
  }
}
