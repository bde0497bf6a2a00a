import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchLoopLag } from '../../../src/telemetry/loop-lag.js';
import { createFakeClock } from '../../fakes/clock.js';

test('once a second it tells how late the loop was, until disposed', () => {
  const clock = createFakeClock();
  const lags: number[] = [];
  const watch = watchLoopLag(clock, (seconds) => lags.push(seconds));
  clock.advance(2000);
  clock.freeze(1700);
  clock.advance(0);
  clock.advance(1000);
  assert.deepEqual(lags, [0, 0, 0.7, 0]);
  watch[Symbol.dispose]();
  clock.advance(5000);
  assert.equal(lags.length, 4);
});
