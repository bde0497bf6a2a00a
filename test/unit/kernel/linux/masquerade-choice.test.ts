import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { KernelError } from '../../../../src/kernel/errors.js';
import { chooseMasquerade } from '../../../../src/kernel/linux/masquerade-choice.js';
import type { Masquerade, MasqueradedService } from '../../../../src/kernel/ports.js';
import type { Ip } from '../../../../src/net/ip.js';
import { silentLog } from '../../../fakes/log.js';
import { createFakeMasquerade, type FakeMasquerade } from '../../../fakes/masquerade.js';

const api: MasqueradedService = { ip: '192.0.2.100' as Ip, port: 6443, refuses: false };
const leftover: MasqueradedService = { ip: '192.0.2.99' as Ip, port: 1, refuses: false };
let nftables: FakeMasquerade;
let iptables: FakeMasquerade;
let said: unknown[];
let masquerade: Masquerade;
beforeEach(() => {
  nftables = createFakeMasquerade();
  iptables = createFakeMasquerade();
  said = [];
  const ways = [
    { name: 'nftables', masquerade: nftables },
    { name: 'iptables', masquerade: iptables },
  ];
  masquerade = chooseMasquerade(ways, { ...silentLog, info: (message, fields) => void said.push([message, fields]) });
});

test('the first way that works is taken, without a word', async () => {
  await masquerade.set([api]);
  assert.deepEqual([nftables.services, iptables.services, said], [[api], [], []]);
});

test('another is taken when the kernel lacks it, and the log says why; it stays the one', async () => {
  nftables.refusal = 'ENOTSUP';
  await masquerade.set([api]);
  nftables.refusal = undefined;
  await masquerade.set([{ ...api, refuses: true }]);
  assert.deepEqual([nftables.services, iptables.services], [[], [{ ...api, refuses: true }]]);
  const because = 'nftables: set nftables masquerade: ENOTSUP';
  assert.deepEqual(said, [['IPVS is masqueraded', { by: 'iptables', because }]]);
  await masquerade.set([]);
  assert.deepEqual(iptables.services, []);
});

test('when none works one error names each refusal and the mend, and the next time is a new chance', async () => {
  nftables.refusal = 'ENOENT';
  iptables.refusal = 'ENOENT';
  await assert.rejects(
    masquerade.set([api]),
    /neither .* \(nftables: .*ENOENT; iptables: .*ENOENT\): load the kernel modules .*xt_ipvs/,
  );
  iptables.refusal = undefined;
  await masquerade.set([api]);
  assert.deepEqual(iptables.services, [api]);
});

test('a missing privilege, or another process that has the table, is not the kernel’s lack', async () => {
  nftables.refusal = 'EPERM';
  await assert.rejects(masquerade.set([api]), new KernelError('set nftables masquerade', 'EPERM'));
  assert.deepEqual(iptables.services, []);
});

test('before one is chosen the leftovers of all go', async () => {
  nftables.services = [leftover];
  iptables.services = [leftover];
  await masquerade.set([]);
  assert.deepEqual([nftables.services, iptables.services], [[], []]);
});
