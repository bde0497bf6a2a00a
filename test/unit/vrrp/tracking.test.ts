import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Mark } from '../../../src/vrrp/tracking.js';

function script(weight: number, ok: boolean | undefined, reverse = false): Mark {
  return { kind: 'script', name: 'check', weight, ok, reverse };
}

/** keepalived's table: weight, reverse, what is added while all is well, and while it is not. */
const table: readonly (readonly [weight: number, reverse: boolean, well: number, unwell: number])[] = [
  [20, false, 20, 0],
  [-20, false, 0, -20],
  [20, true, -20, 0],
  [-20, true, 0, 20],
];

for (const [weight, reverse, well, unwell] of table) {
  test(`weight ${weight}${reverse ? ', reverse' : ''}: ${well} while it is well, ${unwell} while not, nothing before it is known`, () => {
    const priority = (ok: boolean | undefined) => judge(100, [script(weight, ok, reverse)], undefined).priority;
    assert.deepEqual([priority(true), priority(false), priority(undefined)], [100 + well, 100 + unwell, 100]);
  });
}

test('weight 0: what is not well is a fault, and what is not known is waited for', () => {
  const faults = (...marks: Mark[]) => judge(100, marks, undefined).fault;
  assert.equal(faults(script(0, true)), undefined);
  assert.equal(faults(script(0, false)), 'tracked-script-failed');
  assert.equal(faults(script(0, undefined)), 'tracking-unknown');
  assert.equal(faults(script(0, true, true)), 'tracked-script-failed');
  assert.equal(faults(script(0, false, true)), undefined);
  assert.equal(faults({ ...script(0, false), kind: 'interface' }), 'tracked-interface-down');
  assert.equal(faults(script(0, undefined), { ...script(0, false), kind: 'interface' }), 'tracked-interface-down');
  assert.equal(faults(script(-10, false)), undefined);
});

test('weights add up, and the priority stays between 1 and 254', () => {
  const verdict = judge(100, [script(-30, false), { ...script(5, true), name: 'other' }], undefined);
  assert.equal(verdict.priority, 75);
  assert.deepEqual(verdict.because, ['script check: -30', 'script other: +5']);
  assert.equal(judge(100, [script(-253, false)], undefined).priority, 1);
  assert.equal(judge(100, [script(253, true)], undefined).priority, 254);
});

test('who owns the addresses keeps 255, but a fault is one for him too', () => {
  const verdict = judge(255, [script(-30, false), { ...script(0, false), name: 'vital' }], {
    weight: 60,
    serves: false,
  });
  assert.equal(verdict.priority, 255);
  assert.deepEqual(verdict.because, ['script vital: failed']);
  assert.equal(verdict.fault, 'tracked-script-failed');
});

test('a node that reaches no backend is lower and relieves nobody, and that is no fault', () => {
  assert.deepEqual(judge(100, [], { weight: 60, serves: false }), {
    priority: 40,
    mayPreempt: false,
    fault: undefined,
    because: ['no backend up: -60'],
  });
  const all = { priority: 100, mayPreempt: true, fault: undefined, because: [] };
  assert.deepEqual(judge(100, [], { weight: 60, serves: true }), all);
  assert.deepEqual(judge(100, [], { weight: 0, serves: false }), all);
  assert.deepEqual(judge(100, [], undefined), all);
});
