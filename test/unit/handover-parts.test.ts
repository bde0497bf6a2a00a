import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patienceFor, unfit } from '../../src/handover-parts.js';
import type { StandingVip } from '../../src/standing-vip.js';
import { millis } from '../../src/time/instant.js';
import { cededFor } from '../../src/vrrp/state.js';

test('a new process is waited for as long as the address lives, and with VRRP while the others hear this node', () => {
  const patience = (type: 'lease' | 'vrrp' | 'none', deadManSwitch: number) =>
    patienceFor({ election: { type }, deadManSwitch: millis(deadManSwitch) });
  assert.equal(patience('vrrp', 3000), 3000);
  assert.equal(patience('vrrp', 10_000), cededFor - 1000);
  assert.equal(patience('lease', 10_000), 10_000);
  assert.equal(patience('none', 10_000), 10_000);
});

test('a Lease whose renewal may take longer than a new process waits for it is not handed over', () => {
  const refusal = (renewDeadline: number) => {
    const lease = { renewDeadline: millis(renewDeadline) };
    const settings = { name: 'api', deadManSwitch: 'off', dns: { names: [] }, election: { type: 'lease', lease } };
    return unfit([{ settings } as unknown as StandingVip]);
  };
  assert.match(
    refusal(111_000) ?? '',
    /^VIP api: election.lease.renewDeadline is longer than 110 s.*; restart vipd instead$/,
  );
  assert.match(refusal(110_000) ?? '', /deadManSwitch is off/);
});
