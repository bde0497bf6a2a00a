import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { longestOverlap } from '../../src/lab/address-watch.js';
import { until } from '../netns/poll.js';
import { breachesOf, heldBy } from './lease-history.js';
import { createMixedCluster, end, type MixedCluster, skip } from './mixed-cluster.js';

// kube-vip contends by client-go's leader election; so does kube-scheduler, with the same timings here.

function mixedElection(): void {
  let mixed: MixedCluster;
  before(async () => {
    mixed = await createMixedCluster('mixed');
  });
  after(() => mixed?.[Symbol.asyncDispose]());

  test('all start at once: one of them leads', async (t) => {
    const { a, b, history, withAddress, isVipd, toAnybody } = mixed;
    const start = () => Promise.all([mixed.startSchedulers('kv1', 'kv2'), a.startVipd(), b.startVipd()]);
    const holder = await mixed.taken(t, { ...toAnybody, after: 'deed', within: 10_000 }, start);
    await mixed.startVipds(a, b);
    assert.deepEqual([history.holder(), withAddress()], [holder, isVipd(holder) ? [holder] : []]);
  });

  test('client-go is killed: a vipd takes the Lease when it has expired', async (t) => {
    const scheduler = await mixed.giveToClientGo(t);
    await mixed.taken(t, mixed.toVipd, () => end(scheduler, 'SIGKILL'));
  });

  test('client-go ends without a release: the same', async (t) => {
    const scheduler = await mixed.giveToClientGo(t);
    await mixed.taken(t, mixed.toVipd, () => end(scheduler, 'SIGTERM'));
  });

  test('kube-vip is killed, and its address stays: vipd takes the Lease, and waits until it is gone', async (t) => {
    const { history, withAddress, isVipd } = mixed;
    const scheduler = await mixed.giveToClientGo(t);
    await mixed.setThirdAddress('add');
    await end(scheduler, 'SIGKILL');
    await until(() => isVipd(history.holder()), { what: 'a vipd to take the Lease' });
    // The kubelet starts it again, and it removes what it left. vipd would wait for 5.5 s.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.deepEqual(withAddress(), []);
    await mixed.setThirdAddress('delete');
    await until(() => withAddress().length > 0, { what: 'the address' });
    assert.deepEqual(withAddress(), [history.holder()]);
    mixed.tellHandOver(t);
  });

  test('client-go is paused: a vipd takes the Lease, and keeps it when client-go wakes', async (t) => {
    const paused = await mixed.giveToClientGo(t);
    const holder = await mixed.taken(t, mixed.toVipd, () => paused.signal('SIGSTOP'));
    await end(paused, 'SIGCONT');
    assert.deepEqual([mixed.history.holder(), mixed.withAddress()], [holder, [holder]]);
  });

  test('vipd is paused: client-go takes the Lease, and vipd has no address when it wakes', async (t) => {
    const paused = mixed.leader();
    await end(mixed.other(paused).vipd, 'SIGTERM');
    await mixed.startSchedulers('kv1');
    const since = Date.now();
    const holder = await mixed.taken(t, mixed.toClientGo, () => paused.vipd?.signal('SIGSTOP'));
    t.diagnostic(`pause to address gone: ${Math.round((paused.address.removedAt() ?? Number.NaN) - since)} ms`);
    const { length } = paused.address.events;
    paused.vipd?.signal('SIGCONT');
    await mixed.startVipds(paused);
    assert.equal((await paused.status())?.vips[0]?.because, 'held-by-other');
    assert.equal(paused.address.events.length, length);
    assert.equal(mixed.history.holder(), holder);
  });

  test('two of each: whoever leads is killed, paused or stopped, seven times', async (t) => {
    await mixed.giveToClientGo(t);
    const signals = ['SIGKILL', 'SIGSTOP', 'SIGTERM', 'SIGKILL', 'SIGSTOP', 'SIGKILL', 'SIGTERM'] as const;
    for (const signal of signals) {
      await mixed.startSchedulers('kv1', 'kv2');
      await mixed.startVipds(mixed.a, mixed.b);
      const isVipd = mixed.isVipd(mixed.history.holder());
      const victim = isVipd ? mixed.leader().vipd : mixed.leadingScheduler();
      const after = signal === 'SIGTERM' && isVipd ? 'deed' : 'expiry';
      t.diagnostic(signal);
      await mixed.taken(t, { ...mixed.toAnybody, after }, () => victim?.signal(signal));
      victim?.signal('SIGCONT');
      // client-go ends itself when it finds that it has lost the Lease.
      if (signal !== 'SIGSTOP' || !isVipd) await victim?.ended;
    }
  });

  test('vipd releases, client-go takes the Lease; client-go releases, vipd takes it', async (t) => {
    if (mixed.isVipd(mixed.history.holder())) await mixed.endSchedulers();
    else await mixed.taken(t, mixed.toVipd, mixed.endSchedulers);
    const example = await mixed.startExample('example');
    // It looks every 5 s and up to 1.2 times more.
    await mixed.handToClientGo(t, 12_000);
    await mixed.startVipds(mixed.a, mixed.b);
    await mixed.setThirdAddress('add');
    await mixed.taken(t, { ...mixed.toVipd, after: 'deed' }, async () => {
      example.signal('SIGTERM');
      // kube-vip releases the Lease and removes its address at the same time.
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(mixed.withAddress(), []);
      await mixed.setThirdAddress('delete');
    });
    await example.ended;
    mixed.tellHandOver(t);
  });

  test('all the while no two addresses, none while client-go had the Lease, no record that breaks its rules', (t) => {
    const { cluster, thirdAddress, history, isClientGo } = mixed;
    const now = Date.now();
    // vipd writes its times in whole milliseconds.
    const whole = ({ from, to }: { from: number; to: number }) => ({ from, to: Math.floor(to) });
    const addresses = cluster.nodes.map(({ address }) => address.tenures(now).map(whole));
    const leases = heldBy(history.records, isClientGo, now);
    const changes = history.records.filter(({ renewTime, acquireTime }) => renewTime === acquireTime).length;
    t.diagnostic(`${history.records.length} records, ${changes} takeovers and releases`);
    assert.deepEqual(breachesOf(history.records), []);
    assert.equal(Math.max(...addresses.map((each) => longestOverlap([each, leases]))), 0);
    assert.equal(longestOverlap([...addresses, thirdAddress.tenures(now)]), 0);
  });
}

if (skip !== false) test('vipd and client-go contend for one Lease', { skip }, () => {});
else describe('vipd and client-go contend for one Lease', mixedElection);
