import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptibleClock } from '../../../src/lab/interruptible-clock.js';
import { until } from '../../../src/lab/until.js';
import { millis, plus } from '../../../src/time/instant.js';
import { createSystemClock } from '../../../src/time/system-clock.js';

const clock = createSystemClock(() => performance.now());
const patience = { within: millis(3_600_000), every: millis(60_000), what: 'a sign' };

test('an abort ends every wait at once', async () => {
  const stop = new AbortController();
  const waiting = until(interruptibleClock(clock, stop.signal), () => false, patience);
  setImmediate(() => stop.abort());
  await assert.rejects(waiting, /a sign/);
});

test('after it nobody waits at all', async () => {
  const stopped = interruptibleClock(clock, AbortSignal.abort());
  await assert.rejects(
    until(stopped, () => false, patience),
    /a sign/,
  );
  await new Promise<void>((resolve) => stopped.at(plus(clock.now(), millis(3_600_000)), resolve));
});

test('what was disposed is not run by the abort', async () => {
  const stop = new AbortController();
  let ran = false;
  const timer = interruptibleClock(clock, stop.signal).at(plus(clock.now(), millis(3_600_000)), () => {
    ran = true;
  });
  timer[Symbol.dispose]();
  stop.abort();
  await new Promise(setImmediate);
  assert.equal(ran, false);
});
