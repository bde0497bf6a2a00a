import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCapabilities, effectiveCapabilities } from '../../../../src/kernel/linux/capabilities.js';

test('the effective set, not the permitted or bounding one', () => {
  const status = 'Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000003400\nCapBnd:\t000001ffffffffff\n';
  assert.deepEqual(effectiveCapabilities(status), new Set(['NET_BIND_SERVICE', 'NET_ADMIN', 'NET_RAW']));
});

test('all of them, none of them, unknown ones', () => {
  const all = effectiveCapabilities('CapEff:\t000001ffffffffff\n');
  assert.equal(all.size, 41);
  for (const name of ['CHOWN', 'SYS_ADMIN', 'BPF', 'CHECKPOINT_RESTORE']) assert.ok(all.has(name));
  assert.equal(effectiveCapabilities('CapEff:\tffffffffffffffff\n').size, 41);
  assert.equal(effectiveCapabilities('CapEff:\t0000000000000000\n').size, 0);
  fc.assert(fc.property(fc.string(), (text) => effectiveCapabilities(text).size <= 41));
});

test('this process has some set', () => {
  assert.ok(createCapabilities().effective() instanceof Set);
});
