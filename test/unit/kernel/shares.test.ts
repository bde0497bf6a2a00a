import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createShares } from '../../../src/kernel/shares.js';

test('the table holds what all shares want; what it refuses was not wanted', async () => {
  let table: readonly string[] = [];
  let refuses = false;
  const share = createShares<string>(async (all) => {
    if (refuses) throw new Error('refused');
    table = all;
  });
  const [first, second] = [share(), share()];
  await Promise.all([first.set(['a']), second.set(['b', 'c'])]);
  assert.deepEqual(table, ['a', 'b', 'c']);
  refuses = true;
  await assert.rejects(first.set(['x']), /refused/);
  refuses = false;
  await second.set([]);
  assert.deepEqual(table, ['a']);
});
