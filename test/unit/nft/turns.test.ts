import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { turnsOf } from '../../../src/nft/turns.js';

const order = (...weights: readonly number[]) =>
  turnsOf(weights.map((weight, index) => ({ weight, name: 'abcdefgh'[index] })))
    .map(({ name }) => name)
    .join('');

test('turns are as far from each other as they can be, and a round is no longer than it must be', () => {
  assert.deepEqual(
    [order(3, 1), order(5, 1, 1), order(2, 1, 1), order(1, 2), order(200, 200, 200), order(256), order()],
    ['aaba', 'aabacaa', 'abca', 'bab', 'abc', 'a', ''],
  );
});

test('whatever the weights, each has its part of every stretch of the round, but for less than one turn for each of the others', () => {
  const anyWeights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(anyWeights, (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const turns = [...order(...weights)];
      assert.equal(total % turns.length, 0);
      weights.forEach((weight, index) => {
        const name = 'abcdefgh'[index];
        let taken = 0;
        turns.forEach((turn, at) => {
          if (turn === name) taken++;
          const due = ((at + 1) * weight) / total;
          assert.ok(Math.abs(taken - due) < Math.max(1, weights.length - 1), `${name}: ${taken} of ${due}`);
        });
        assert.equal(taken, (turns.length * weight) / total);
      });
    }),
    { numRuns: 100 },
  );
});
