import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leadershipOf } from '../../src/lease/machine.js';
import type { LeaseConfig } from '../../src/lease/state.js';
import { type Node, type Simulation, simulate } from './simulation.js';

function started(options: { nodes?: number; seed?: number; config?: Partial<LeaseConfig> } = {}): {
  cluster: Simulation;
  leader: Node;
  others: readonly Node[];
} {
  const cluster = simulate({ nodes: 3, seed: 7, ...options });
  cluster.run(2000);
  const leader = cluster.holders()[0];
  assert.ok(leader, cluster.transcript.join('\n'));
  return { cluster, leader, others: cluster.nodes.filter((n) => n !== leader) };
}

function untilHeldBy(cluster: Simulation, nodes: readonly Node[], within: number): number {
  const from = cluster.now();
  for (;;) {
    if (cluster.holders().some((holder) => nodes.includes(holder))) return cluster.now() - from;
    assert.ok(cluster.now() - from < within, `nobody within ${within} ms\n${cluster.transcript.join('\n')}`);
    cluster.run(1);
  }
}

test('a free Lease is taken, and one node holds the address', () => {
  const cluster = simulate({ nodes: 3, seed: 1 });
  assert.ok(untilHeldBy(cluster, cluster.nodes, 500) < 200);
  cluster.run(60_000);
  assert.equal(cluster.holders().length, 1);
  assert.equal(cluster.lease()?.leaseTransitions, 0);
});

test('a released Lease is taken at once, by watch, whenever it is released', () => {
  for (let wait = 0; wait < 1000; wait += 90) {
    const { cluster, leader, others } = started();
    cluster.run(wait);
    cluster.tell(leader, { kind: 'stop' });
    assert.ok(untilHeldBy(cluster, others, 1000) < 100);
    assert.ok(cluster.transcript.some((line) => line.endsWith('leader acquired-released')));
  }
});

test('the Lease is released only when the address is off', () => {
  const { cluster, leader } = started();
  cluster.tell(leader, { kind: 'stop' });
  while (cluster.lease()?.holderIdentity === leader.name) {
    cluster.run(1);
    assert.ok(cluster.now() < 3000);
  }
  assert.equal(cluster.holders().includes(leader), false);
  assert.deepEqual([cluster.lease()?.holderIdentity, cluster.lease()?.leaseDurationSeconds], ['', 1]);
});

test('a killed leader is followed when its Lease expires, and not before', () => {
  const { cluster, leader, others } = started();
  cluster.kill(leader);
  const took = untilHeldBy(cluster, others, 6000);
  assert.ok(took >= 3900 && took <= 5100, `${took} ms`);
});

test('a paused leader neither announces nor refreshes after it wakes', () => {
  const { cluster, leader, others } = started();
  cluster.pause(leader, 10_000);
  const pausedAt = cluster.now();
  untilHeldBy(cluster, others, 8000);
  cluster.run(15_000);
  const after = leader.putsAndAnnouncements.filter((at) => at - 1000 > pausedAt);
  assert.deepEqual(after, []);
  assert.equal(cluster.holders().length, 1);
});

test('a short pause costs a proof, not the leadership', () => {
  const { cluster, leader } = started();
  cluster.pause(leader, 1500);
  cluster.run(5000);
  assert.deepEqual(cluster.holders(), [leader]);
  assert.ok(cluster.transcript.some((line) => line.endsWith('leader paused')));
  assert.ok(cluster.transcript.some((line) => line.endsWith('leader renewed')));
});

test('an API that takes 2 s to answer does not cost the VIP', () => {
  for (const onApiLoss of ['hold', 'release'] as const) {
    const { cluster, leader } = started({ config: { onApiLoss } });
    cluster.latency = [2000, 2000];
    for (let i = 0; i < 60_000; i += 10) {
      cluster.run(10);
      assert.deepEqual(cluster.holders(), [leader], cluster.transcript.join('\n'));
    }
  }
});

test('hold: an API that is gone for everybody takes no VIP away', () => {
  const { cluster, leader } = started();
  for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 60_000; i += 10) {
    cluster.run(10);
    assert.deepEqual(cluster.holders(), [leader]);
  }
  assert.ok(cluster.transcript.some((line) => line.endsWith('leader api-loss-hold')));
  for (const node of cluster.nodes) node.cutUntil = 0;
  cluster.run(5000);
  assert.deepEqual(cluster.holders(), [leader]);
  assert.equal(cluster.lease()?.holderIdentity, leader.name);
});

test('hold: when the API comes back the holder keeps the VIP, whoever hears of it first', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { cluster, leader } = started({ seed });
    for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
    cluster.run(20_000 + seed * 37);
    for (const node of cluster.nodes) node.cutUntil = 0;
    cluster.run(10_000);
    assert.deepEqual(cluster.holders(), [leader], cluster.transcript.join('\n'));
    assert.ok(!cluster.transcript.some((line) => line.includes('acquired-expired')));
  }
});

test('hold: an API that is gone and a pause on top of it cost the VIP seconds, not the outage', () => {
  for (const pause of [1300, 4000]) {
    const { cluster, leader } = started();
    for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
    cluster.run(20_000);
    cluster.pause(leader, pause);
    cluster.run(pause + 5000);
    assert.deepEqual(cluster.holders(), [leader], cluster.transcript.join('\n'));
    cluster.run(60_000);
    assert.deepEqual(cluster.holders(), [leader]);
  }
});

test('hold: what the LAN said before the VIP was yielded gives no authority afterwards', () => {
  const { cluster, leader } = started();
  for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
  cluster.run(20_000);
  cluster.pause(leader, 1300);
  while (!leader.lease.unclaimed) cluster.run(1);
  while (leader.lease.inFlight === undefined) cluster.run(1);
  assert.equal(leadershipOf(leader.lease, leader.lease.lastStep.now).authority.kind, 'unchallenged');
  cluster.tell(leader, { kind: 'claimed' });
  assert.equal(leader.lease.because, 'claimed-by-other');
  assert.equal(leader.lease.unclaimed, false);
  assert.equal(leadershipOf(leader.lease, leader.lease.lastStep.now).authority.kind, 'none');
});

test('hold: a leader that is cut from the API, paused and followed does not come back by itself', () => {
  const { cluster, leader, others } = started();
  leader.cutUntil = Number.POSITIVE_INFINITY;
  cluster.pause(leader, 9000);
  untilHeldBy(cluster, others, 9000);
  cluster.run(30_000);
  assert.equal(cluster.holders().includes(leader), false);
});

test('hold: a leader that alone is cut from the API yields to the next before that one has the address', () => {
  const { cluster, leader, others } = started();
  leader.cutUntil = Number.POSITIVE_INFINITY;
  const took = untilHeldBy(cluster, others, 8000);
  assert.ok(took <= 5200, `${took} ms`);
  cluster.run(20_000);
  assert.equal(cluster.holders().length, 1);
  assert.notEqual(cluster.holders()[0], leader);
});

test('release: the address is off before the Lease expires', () => {
  const { cluster, leader, others } = started({ config: { onApiLoss: 'release' } });
  leader.cutUntil = Number.POSITIVE_INFINITY;
  const renewed = Date.parse(cluster.lease()?.renewTime ?? '') - Date.UTC(2024, 0, 1) - 1000;
  while (cluster.holders().includes(leader)) cluster.run(1);
  assert.ok(cluster.now() < renewed + 5000, `off at ${cluster.now()}, renewed at ${renewed}`);
  assert.equal(cluster.lease()?.holderIdentity, leader.name);
  assert.ok(untilHeldBy(cluster, others, 2000) > 0);
});

test('a Lease stolen by another client is lost at once and contended for again', () => {
  const { cluster, leader } = started();
  const record = cluster.lease();
  assert.ok(record);
  cluster.write({ ...record, holderIdentity: 'somebody' });
  cluster.run(50);
  assert.deepEqual(cluster.holders(), []);
  assert.equal(leader.lease.because, 'held-by-other');
  assert.ok(untilHeldBy(cluster, cluster.nodes, 6000) > 4000);
});

test('a deleted Lease is made anew, and one node holds the address', () => {
  const { cluster } = started();
  cluster.write(undefined);
  cluster.run(500);
  assert.equal(cluster.holders().length, 1);
});

test('the late answer to a renewal of a Lease that was deleted since proves nothing', () => {
  const { cluster, leader } = started();
  const renewing = () => leader.lease.inFlight?.purpose === 'renew';
  while (!renewing()) cluster.run(0.5);
  const base = leader.lease.known?.lease;
  const request = leader.lease.inFlight;
  assert.ok(base && request);
  const version = Number(base.resourceVersion);
  cluster.tell(leader, { kind: 'absent', resourceVersion: String(version + 50) });
  const late = { ...base, resourceVersion: String(version + 1) };
  cluster.tell(leader, { kind: 'answered', request: request.id, answer: { ok: true, lease: late } });
  assert.equal(leader.lease.tenure, undefined);
});

test('news of a time before the Lease was made takes nothing away', () => {
  const { cluster, leader } = started();
  cluster.tell(leader, { kind: 'absent', resourceVersion: '100' });
  cluster.run(1000);
  assert.deepEqual(cluster.holders(), [leader]);
  assert.equal(leader.lease.because, 'acquired-new');
});

test('a shortened duration is set right at once', () => {
  const { cluster, leader } = started();
  const record = cluster.lease();
  assert.ok(record);
  cluster.write({ ...record, leaseDurationSeconds: 1 });
  cluster.run(100);
  assert.equal(cluster.lease()?.leaseDurationSeconds, 5);
  assert.deepEqual(cluster.holders(), [leader]);
});

test('a node that cannot serve gives the VIP to one that can', () => {
  const { cluster, leader, others } = started();
  cluster.hear(leader, { kind: 'link', up: false });
  assert.ok(untilHeldBy(cluster, others, 2000) >= 1000);
  cluster.hear(leader, { kind: 'link', up: true });
  cluster.run(10_000);
  assert.equal(cluster.holders().includes(leader), false);
});

test('two processes with one name: the address is never on both, and the one that loses it says why', () => {
  const cluster = simulate({ nodes: 2, seed: 3, names: ['cp1', 'cp1'] });
  cluster.run(60_000);
  assert.equal(cluster.holders().length, 1);
  assert.ok(cluster.transcript.some((line) => line.endsWith('follower held-by-namesake')));
});

test('a node that comes back under its own name takes its Lease up again without waiting', () => {
  const { cluster, leader } = started();
  cluster.kill(leader);
  cluster.run(300);
  cluster.revive(leader);
  assert.ok(untilHeldBy(cluster, [leader], 500) < 100);
});

test('whatever happens, the address is never on two nodes, and in the end it is on one', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const onApiLoss = seed % 2 === 0 ? 'hold' : 'release';
    const cluster = simulate({ nodes: 3, seed, config: { onApiLoss } });
    for (let round = 0; round < 12; round++) {
      const node = cluster.nodes[Math.floor(cluster.random() * 3)];
      assert.ok(node);
      const size = cluster.random();
      switch (Math.floor(cluster.random() * 8)) {
        case 0:
          cluster.pause(node, size * 12_000);
          break;
        case 1:
          cluster.kill(node);
          break;
        case 2:
          if (!node.alive) cluster.revive(node);
          break;
        case 3:
          node.cutUntil = 1000 + cluster.now() + size * 15_000;
          break;
        case 4:
          cluster.latency = [size * 2000, size * 4000];
          break;
        case 5:
          cluster.latency = [2, 10];
          break;
        case 6:
          if (node.alive && cluster.now() >= node.pausedUntil - 1000)
            cluster.hear(node, { kind: 'link', up: size > 0.5 });
          break;
        default: {
          const record = cluster.lease();
          cluster.write(
            size < 0.3 || record === undefined ? undefined : { ...record, holderIdentity: size < 0.6 ? '' : 'x' },
          );
        }
      }
      cluster.run(cluster.random() * 8000);
    }
    cluster.latency = [2, 10];
    for (const node of cluster.nodes) {
      node.cutUntil = 0;
      if (!node.alive) cluster.revive(node);
      else if (cluster.now() + 1000 >= node.pausedUntil) cluster.hear(node, { kind: 'link', up: true });
    }
    cluster.run(25_000);
    for (const node of cluster.nodes) cluster.hear(node, { kind: 'link', up: true });
    cluster.run(10_000);
    assert.equal(cluster.holders().length, 1, `seed ${seed}\n${cluster.transcript.join('\n')}`);
  }
});

/** A control plane of which no API server is up. */
function booting(seed: number, nodes = 3): Simulation {
  const cluster = simulate({ nodes, seed });
  for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
  return cluster;
}

test('no API since the start: one node has the address for the time being, and no other beside it', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const cluster = booting(seed, 1 + (seed % 3));
    cluster.run(6000);
    assert.deepEqual(cluster.holders(), []);
    // As often as two begin in the same half second they put it off.
    while (cluster.holders().length === 0 && cluster.now() < 60_000) cluster.run(100);
    const [first] = cluster.holders();
    assert.ok(first !== undefined, `seed ${seed}`);
    assert.equal(first.lease.because, 'provisional');
    cluster.run(60_000);
    assert.deepEqual(cluster.holders(), [first], `seed ${seed}`);

    // Its API server is up first, and the Lease is its own.
    first.cutUntil = 0;
    // A request that nobody answers may be under way.
    cluster.run(3000 + 1500);
    assert.equal(cluster.lease()?.holderIdentity, first.name);
    assert.equal(first.lease.because, 'acquired-new');
    for (const node of cluster.nodes) node.cutUntil = 0;
    cluster.run(20_000);
    assert.deepEqual(cluster.holders(), [first]);
  }
});

test('no API since the start, and then a Lease from before: the address stays until that has run out', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = booting(seed);
    const renewTime = '2023-12-31T23:59:00.000000Z';
    const times = { acquireTime: renewTime, renewTime };
    cluster.write({ holderIdentity: 'cp9', leaseDurationSeconds: 5, leaseTransitions: 3, ...times });
    while (cluster.holders().length === 0) cluster.run(100);
    const [first] = cluster.holders();
    for (const node of cluster.nodes) node.cutUntil = 0;
    while (cluster.lease()?.holderIdentity === 'cp9') {
      assert.deepEqual(cluster.holders(), [first], `seed ${seed}`);
      cluster.run(10);
    }
    cluster.run(1000);
    assert.equal(cluster.lease()?.holderIdentity, cluster.holders()[0]?.name);
  }
});

test('no API since the start for one node alone: the living holder has the address, and keeps it', () => {
  const { cluster, leader, others } = started();
  const [lonely] = others as [Node, Node];
  cluster.kill(lonely);
  cluster.run(1000);
  lonely.cutUntil = Number.POSITIVE_INFINITY;
  cluster.revive(lonely);
  cluster.run(60_000);
  assert.deepEqual(cluster.holders(), [leader]);
});

test('with `release`, nobody takes the address without the API', () => {
  const cluster = simulate({ nodes: 2, seed: 1, config: { onApiLoss: 'release' } });
  for (const node of cluster.nodes) node.cutUntil = Number.POSITIVE_INFINITY;
  cluster.run(60_000);
  assert.deepEqual(cluster.holders(), []);
});

test('a leader that hands over to another process leads on: nobody else has the address, and the Lease has one holder', () => {
  for (let wait = 0; wait < 1000; wait += 90) {
    for (const ms of [1, 50, 900]) {
      const { cluster, leader } = started();
      cluster.run(wait);
      cluster.handOver(leader, ms);
      for (let i = 0; i < 10_000; i += 10) {
        cluster.run(10);
        assert.deepEqual(cluster.holders(), [leader], cluster.transcript.join('\n'));
      }
      assert.deepEqual([cluster.lease()?.holderIdentity, cluster.lease()?.leaseTransitions], [leader.name, 0]);
      assert.equal(leader.lease.because, 'handed-over');
    }
  }
});

test('one that begins too late, or whom somebody has relieved meanwhile, finds out before it does harm', () => {
  for (const ms of [3000, 4500, 6000, 9000]) {
    const { cluster, leader } = started();
    cluster.handOver(leader, ms);
    cluster.run(20_000);
    assert.equal(cluster.holders().length, 1);
    assert.equal(cluster.lease()?.holderIdentity, cluster.holders()[0]?.name);
  }
  const { cluster, leader, others } = started();
  cluster.handOver(leader, 50);
  cluster.run(20);
  const record = cluster.lease();
  assert.ok(record);
  cluster.write({ ...record, holderIdentity: others[0]?.name ?? '' });
  cluster.run(200);
  assert.equal(cluster.holders().includes(leader), false, cluster.transcript.join('\n'));
});

test('a follower that hands over follows on', () => {
  const { cluster, leader, others } = started();
  for (const other of others) cluster.handOver(other, 50);
  cluster.run(10_000);
  assert.deepEqual(cluster.holders(), [leader]);
  cluster.kill(leader);
  assert.ok(untilHeldBy(cluster, others, 6000) <= 5100);
});
