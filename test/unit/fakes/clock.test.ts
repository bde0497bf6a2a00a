import assert from 'node:assert/strict';
import { test } from 'node:test';
import { millis, plus } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';

test('actions run in the order of their instants, each at its own', () => {
  const clock = createFakeClock();
  const start = clock.now();
  const ran: [string, number][] = [];
  const note = (name: string) => () => ran.push([name, clock.now() - start]);
  clock.at(plus(start, millis(20)), note('b'));
  clock.at(plus(start, millis(10)), () => {
    note('a')();
    clock.at(plus(start, millis(15)), note('from a'));
  });
  clock.at(plus(start, millis(20)), note('c'));
  clock.at(plus(start, millis(5)), note('cancelled'))[Symbol.dispose]();
  clock.at(plus(start, millis(31)), note('later'));
  clock.advance(30);
  assert.deepEqual(ran, [
    ['a', 10],
    ['from a', 15],
    ['b', 20],
    ['c', 20],
  ]);
  assert.equal(clock.now() - start, 30);
});

test('what was due during a freeze runs late, when time moves again', () => {
  const clock = createFakeClock();
  const start = clock.now();
  const ran: number[] = [];
  clock.at(plus(start, millis(10)), () => ran.push(clock.now() - start));
  clock.freeze(1000);
  assert.deepEqual(ran, []);
  assert.equal(clock.wall().getTime() - createFakeClock().wall().getTime(), 1000);
  clock.advance(0);
  assert.deepEqual(ran, [1000]);
});

test('an instant that has passed runs with the next move, not at once', () => {
  const clock = createFakeClock();
  let ran = false;
  clock.at(clock.now(), () => {
    ran = true;
  });
  assert.equal(ran, false);
  clock.advance(0);
  assert.equal(ran, true);
});
