import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchRelay } from '../../../src/proxy/relay-watch.js';
import { createFakeClock } from '../../fakes/clock.js';

function watched() {
  const clock = createFakeClock();
  const turns = [0, 0];
  const told: string[] = [];
  const watch = watchRelay({ progress: () => [...turns] }, clock, (sentence) => told.push(sentence));
  /** A second in which these threads turn. */
  const second = (...which: readonly number[]) => {
    for (const thread of which) turns[thread] = (turns[thread] ?? 0) + 1;
    clock.advance(1000);
  };
  return { clock, turns, told, watch, second };
}

test('threads that turn are well, and so is one that was slow for a while', () => {
  const { told, second } = watched();
  for (let i = 0; i < 4; i++) second(0);
  second(0, 1);
  for (let i = 0; i < 4; i++) second(0);
  second(1);
  assert.deepEqual(told, []);
});

test('one that makes no progress for five seconds is told of, once', () => {
  const { told, second } = watched();
  second(0, 1);
  for (let i = 0; i < 4; i++) second(0);
  assert.deepEqual(told, []);
  for (let i = 0; i < 3; i++) second(0);
  assert.deepEqual(told, ['thread 2 of the relay has made no progress for 5 s']);
});

test('one that stands still at a bug is told of at the next look', () => {
  const { told, turns, second } = watched();
  second(0, 1);
  turns[0] = -11;
  second(1);
  assert.deepEqual(told, ['thread 1 of the relay stands still at a bug of its own, signal 11']);
});

test('what is disposed looks no more', () => {
  const { told, watch, clock } = watched();
  watch[Symbol.dispose]();
  clock.advance(20_000);
  assert.deepEqual(told, []);
});
