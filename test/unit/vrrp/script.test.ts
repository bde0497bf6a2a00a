import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runEnded, untried } from '../../../src/vrrp/script.js';

/** `+` and `-` are runs; the answer has the state after each. */
function after(runs: string, rise: number, fall: number): string {
  let state = untried;
  return [...runs]
    .map((run) => {
      state = runEnded(state, { rise, fall }, run === '+');
      return state.ok === undefined ? '?' : state.ok ? '+' : '-';
    })
    .join('');
}

test('the first run decides alone', () => {
  assert.equal(after('+', 5, 5), '+');
  assert.equal(after('-', 5, 5), '-');
});

test('so many in a row turn it, and one of the other kind begins the count anew', () => {
  assert.equal(after('+--+---', 2, 3), '++++++-');
  assert.equal(after('-+-++', 2, 3), '----+');
  assert.equal(after('+-+-', 1, 1), '+-+-');
});
