import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Instant, millis } from '../../../src/time/instant.js';
import { initialServing, nextServingDeadline, stepServing } from '../../../src/vrrp/serving.js';

const patience = millis(2000);

function node() {
  let state = initialServing(0 as Instant);
  let is = { serves: false, holds: false };
  return {
    at(time: number, change: Partial<typeof is> = {}): boolean {
      is = { ...is, ...change };
      state = stepServing(state, is, patience, time as Instant);
      return state.counts;
    },
    deadline: () => nextServingDeadline(state, patience),
  };
}

test('at first it reaches nothing; the first backend counts at once', () => {
  const it = node();
  assert.equal(it.at(0), false);
  assert.equal(it.at(5000), false);
  assert.equal(it.at(5001, { serves: true }), true);
});

test('a backup that loses all backends is lower at once, and waits before it wants the VIP back', () => {
  const it = node();
  it.at(0, { serves: true });
  assert.equal(it.at(1000, { serves: false }), false);
  assert.equal(it.at(3000, { serves: true }), false);
  assert.equal(it.deadline(), 5000);
  assert.equal(it.at(4999), false);
  assert.equal(it.at(5000), true);
  assert.equal(it.deadline(), undefined);
});

test('a blip on a backup begins the wait anew', () => {
  const it = node();
  it.at(0, { serves: true });
  it.at(1000, { serves: false });
  it.at(2000, { serves: true });
  it.at(3000, { serves: false });
  it.at(3100, { serves: true });
  assert.equal(it.at(5000), false);
  assert.equal(it.at(5100), true);
});

test('the holder waits before it is lower, and is back at once', () => {
  const it = node();
  it.at(0, { serves: true });
  it.at(100, { holds: true });
  assert.equal(it.at(1000, { serves: false }), true);
  assert.equal(it.at(2999), true);
  assert.equal(it.at(3000), false);
  assert.equal(it.at(3100, { serves: true }), true);
});

test('a short loss costs the holder nothing', () => {
  const it = node();
  it.at(0, { serves: true, holds: true });
  it.at(1000, { serves: false });
  assert.equal(it.at(2500, { serves: true }), true);
  assert.equal(it.at(9000), true);
});

test('who loses the VIP while it waits is lower at once', () => {
  const it = node();
  it.at(0, { serves: true, holds: true });
  it.at(1000, { serves: false });
  assert.equal(it.at(1500, { holds: false }), false);
});
