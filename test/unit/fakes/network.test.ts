import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkChange } from '../../../src/kernel/ports.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeNetwork } from '../../fakes/network.js';

const link = { index: 2, name: 'eth0', mac: undefined, up: true };
const vip = { ip: '192.0.2.100' as Ip, prefixLength: 32, link: 2, lifetime: millis(3000) };

test('an address expires while the process is stopped, and a late refresh adds it anew', async () => {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock, [link]);
  const changes: NetworkChange['kind'][] = [];
  using _ = network.watch(({ kind }) => changes.push(kind));
  await network.putAddress(vip);
  clock.freeze(2999);
  assert.notEqual(network.held(vip.ip), undefined);
  clock.freeze(1);
  assert.equal(network.held(vip.ip), undefined);
  await network.putAddress(vip);
  await Promise.resolve();
  assert.deepEqual(changes, ['address-added', 'address-removed', 'address-added']);
  assert.deepEqual(
    network.requests.map(({ kind, at }) => [kind, at - (network.requests[0]?.at ?? 0)]),
    [
      ['put', 0],
      ['put', 3000],
    ],
  );
});

test('refusals, others’ addresses, lost notifications', async () => {
  const network = createFakeNetwork(createFakeClock(), [link]);
  const changes: NetworkChange['kind'][] = [];
  using _ = network.watch(({ kind }) => changes.push(kind));
  network.refusePut = 'EPERM';
  await assert.rejects(network.putAddress(vip), { name: 'KernelError', code: 'EPERM' });
  assert.equal(network.held(vip.ip), undefined);
  network.addAddress({ ...vip, lifetime: 'forever', deprecated: false, protocol: undefined });
  assert.equal(network.held(vip.ip)?.protocol, undefined);
  network.deleteAddress(vip.ip, 2);
  network.overrun();
  await Promise.resolve();
  assert.deepEqual(changes, ['address-added', 'address-removed', 'overrun']);
});
