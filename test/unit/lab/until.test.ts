import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../src/lab/until.js';
import type { Clock } from '../../../src/time/clock.js';
import { type Instant, millis } from '../../../src/time/instant.js';

/** A clock on which waiting costs nothing. */
function leapingClock(): Clock {
  let now = 0 as Instant;
  return {
    now: () => now,
    wall: () => new Date(now),
    at(instant, action) {
      now = instant;
      queueMicrotask(action);
      return { [Symbol.dispose]: () => {} };
    },
  };
}

const patience = { within: millis(100), every: millis(10), what: 'the third look' };

test('returns what the condition gives', async () => {
  const clock = leapingClock();
  let looks = 0;
  assert.equal(await until(clock, () => (++looks === 3 ? 'here' : undefined), patience), 'here');
  assert.equal(clock.now(), 20);
});

test('names what did not come', async () => {
  await assert.rejects(
    until(leapingClock(), () => false, patience),
    { message: 'not within 100 ms: the third look' },
  );
});

test('a condition that throws is looked at again, and its message is kept', async () => {
  const refuse = () => Promise.reject(new Error('connection refused'));
  await assert.rejects(until(leapingClock(), refuse, patience), {
    message: 'not within 100 ms: the third look (connection refused)',
  });
});
