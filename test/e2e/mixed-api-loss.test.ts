import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../netns/poll.js';
import { expiryOf } from './lease-history.js';
import { createMixedCluster, type MixedCluster, skip } from './mixed-cluster.js';

// One vipd and client-go, and the API server of vipd's node dies. client-go, which asks another, takes the Lease.

/** vipd leads on b. */
async function lead({ a, b, history, ...mixed }: MixedCluster, onApiLoss: 'hold' | 'release'): Promise<void> {
  const config = JSON.parse(await readFile(b.configFile, 'utf8'));
  config.vips[0].election = { onApiLoss };
  await writeFile(b.configFile, JSON.stringify(config));
  await b.startVipd();
  await until(() => b.address.held(), { what: `the address on ${b.name}` });
  await mixed.startSchedulers('kv1');
  const { length } = history.records;
  await until(() => history.records.length > length + 1, { what: 'renewals' });
  assert.ok(a.vipd === undefined);
}

test('onApiLoss release: the address is off before client-go takes the Lease', { skip }, async (t) => {
  await using mixed = await createMixedCluster('loss');
  const { b, history } = mixed;
  await lead(mixed, 'release');
  await mixed.taken(t, mixed.toClientGo, () => b.api?.signal('SIGKILL'));
  const last = history.records.findLast(({ holderIdentity }) => holderIdentity === b.name);
  const early = expiryOf(last ?? assert.fail('it never led')) - (b.address.removedAt() ?? Number.NaN);
  t.diagnostic(`address gone to expiry: ${Math.round(early)} ms`);
  assert.ok(early > 0, `${early} ms`);
});

test('onApiLoss hold: the address is there until kube-vip announces its own', { skip }, async (t) => {
  await using mixed = await createMixedCluster('held');
  const { b, third, history } = mixed;
  await lead(mixed, 'hold');
  b.api?.signal('SIGKILL');
  await until(() => mixed.isClientGo(history.holder()), { what: 'client-go to take the Lease' });
  await mixed.setThirdAddress('add');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.deepEqual(mixed.withAddress(), [b.name]);
  // kube-vip's first announcement comes up to 3 s after it has the address. With this setting the kernel makes one.
  const notify = 'echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_notify';
  const announced = Date.now();
  await third.run('sh', ['-c', `${notify}; exec ip link set dev eth0 address ${third.mac}`]);
  await until(() => !b.address.held(), { within: 1_000, what: 'vipd to yield' });
  t.diagnostic(`announcement to address gone: ${Math.round((b.address.removedAt() ?? Number.NaN) - announced)} ms`);
});
