import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type BalancerConfig, createBalancer, type Source } from '../../../src/balancer/driver.js';
import type { HealthChecks } from '../../../src/balancer/health-driver.js';
import type { Backend } from '../../../src/balancer/pool.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import type { DataPlane, PlaneBackend } from '../../../src/vip/data-plane.js';
import { createFakeClock } from '../../fakes/clock.js';
import { silentLog } from '../../fakes/log.js';

const config: BalancerConfig = {
  ports: [6443],
  scheduler: 'roundrobin',
  weighted: false,
  proxyProtocol: 'off',
  connectTimeout: millis(1000),
  whenBackendDown: 'close',
};
const source = (name: string, ip: string): Source => ({ name, ip: ip as Ip, port: 6443, weight: 1, ready: true });
const a = source('a', '10.0.0.1');
const b = source('b', '10.0.0.2');
const c = source('c', '10.0.0.3');
const a6 = source('a', 'fd00::1');
const b6 = source('b', 'fd00::2');

function open(mode: DataPlane['mode'], change: Partial<BalancerConfig> = {}) {
  const clock = createFakeClock();
  let given: readonly PlaneBackend[] = [];
  let isCounting = true;
  let watched: readonly Backend[] = [];
  const verdicts = new Map<Ip, boolean>();
  const openConnections = new Map<Backend, number>();
  const plane: DataPlane = {
    mode,
    open: async () => {},
    setBackends(backends) {
      given = backends;
    },
    change() {},
    reset: async () => {},
    close: async () => {},
    trouble: () => undefined,
    settled: async () => {},
    look: async () => isCounting,
    stats: () => ({
      refused: undefined,
      backends: [...openConnections].map(([{ name, ip, port }, count]) => ({
        ...{ name, ip, port, open: count, total: count, failed: undefined, reset: undefined },
        ...{ bytesFromClient: 0n, bytesToClient: 0n },
      })),
    }),
    [Symbol.dispose]() {},
  };
  const checks: HealthChecks = {
    set(backends) {
      watched = backends;
    },
    change() {},
    opinions: () => [],
    of({ ip }: Backend) {
      const up = verdicts.get(ip);
      const lastResult = up === undefined ? undefined : ({ ok: true } as const);
      return { health: { up: up ?? false, lastResult } as never, at: undefined };
    },
    [Symbol.dispose]() {},
  };
  const balancer = createBalancer({
    plane,
    because: 'test',
    config: { ...config, ...change },
    checks,
    clock,
    log: silentLog,
  });
  const turn = (backend: Backend, up: boolean) => {
    verdicts.set(backend.ip, up);
    balancer.backendTurned();
  };
  const weights = () => given.map(({ weight }) => weight);
  const words = () => given.map(({ ip, draining }) => `${ip}${draining ? ' drains' : ''}`).join(', ');
  /** What is checked. */
  const checked = () => watched.map(({ ip }) => ip).join(', ');
  const settled = async () => {
    clock.advance(1000);
    await setImmediate();
  };
  const stopCounting = () => {
    isCounting = false;
  };
  return { balancer, turn, words, weights, checked, settled, openConnections, stopCounting };
}

test('those that come are waited for while nothing is known of them: those that go serve on', async () => {
  const { balancer, turn, words, settled } = open('proxy');
  balancer.setSources([a, b], []);
  await balancer.open();
  turn(a, true);
  turn(b, false);
  balancer.setSources([c], []);
  // However long that takes, and whoever asks meanwhile.
  for (let i = 0; i < 3; i++) {
    await balancer.look();
    await settled();
  }
  assert.equal(words(), '10.0.0.1');
  turn(c, true);
  assert.equal(words(), '10.0.0.3, 10.0.0.1 drains');
});

test('a weight is changed in place, and shown where it may be other than 1', async () => {
  const { balancer, turn, words, weights } = open('proxy');
  const shown = () => balancer.status().backends.map((backend) => ('weight' in backend ? backend.weight : 'none'));
  balancer.setSources([a, b], []);
  await balancer.open();
  turn(a, true);
  turn(b, true);
  assert.deepEqual(
    [weights(), shown()],
    [
      [1, 1],
      ['none', 'none'],
    ],
  );
  balancer.change({ ...config, weighted: true });
  balancer.setSources([{ ...a, weight: 3 }, b], []);
  assert.deepEqual(
    [weights(), shown()],
    [
      [3, 1],
      [3, 1],
    ],
  );
  assert.equal(words(), '10.0.0.1, 10.0.0.2');
});

test('one that comes and is down ends the wait', async () => {
  const { balancer, turn, words } = open('proxy');
  balancer.setSources([a], []);
  await balancer.open();
  turn(a, true);
  balancer.setSources([b], []);
  turn(b, false);
  assert.equal(words(), '10.0.0.1 drains');
});

test('who goes keeps its connections until they end, and is checked as long', async () => {
  const { balancer, turn, words, checked, settled, openConnections } = open('proxy');
  balancer.setSources([a, b], []);
  await balancer.open();
  turn(a, true);
  turn(b, true);
  openConnections.set(b, 2);
  balancer.setSources([a], []);
  await settled();
  assert.deepEqual([words(), checked()], ['10.0.0.1, 10.0.0.2 drains', '10.0.0.1, 10.0.0.2']);
  openConnections.set(b, 0);
  await settled();
  assert.deepEqual([words(), checked()], ['10.0.0.1', '10.0.0.1']);
});

test('who goes and then dies loses its connections, but on request', async () => {
  for (const whenBackendDown of ['close', 'keep'] as const) {
    const { balancer, turn, words, checked, settled, openConnections } = open('proxy', { whenBackendDown });
    balancer.setSources([a, b], []);
    await balancer.open();
    turn(a, true);
    turn(b, true);
    openConnections.set(b, 2);
    balancer.setSources([a], []);
    turn(b, false);
    assert.equal(words(), whenBackendDown === 'close' ? '10.0.0.1' : '10.0.0.1, 10.0.0.2 drains');
    await settled();
    assert.equal(checked(), whenBackendDown === 'close' ? '10.0.0.1' : '10.0.0.1, 10.0.0.2');
  }
});

test('the kernel has a pool for each family; the proxy one for all', () => {
  const kernel = open('nftables');
  kernel.balancer.setSources([a, b, a6, b6], [a, a6]);
  for (const up of [a, b, b6]) kernel.turn(up, true);
  assert.equal(kernel.words(), '10.0.0.1, 10.0.0.2, fd00::2');
  kernel.turn(b6, false);
  assert.equal(kernel.words(), '10.0.0.1, 10.0.0.2, fd00::1');
  const proxy = open('proxy');
  proxy.balancer.setSources([a, b6], []);
  proxy.turn(a, true);
  proxy.turn(b6, true);
  assert.equal(proxy.words(), '10.0.0.1, fd00::2');
});

test('draining is a matter of names, of every address of a backend, until it is resumed', () => {
  const { balancer, turn, words } = open('nftables');
  balancer.setSources([a, a6, b, b6], []);
  for (const up of [a, a6, b, b6]) turn(up, true);
  assert.deepEqual([balancer.drain('a', true), balancer.drain('nobody', true)], [true, false]);
  assert.equal(words(), '10.0.0.2, 10.0.0.1 drains, fd00::2, fd00::1 drains');
  assert.deepEqual(
    balancer.status().backends.map(({ state }) => state),
    ['draining', 'draining', 'up', 'up'],
  );
  balancer.setSources([b, b6], []);
  balancer.setSources([a, b, b6], []);
  assert.equal(words(), '10.0.0.2, 10.0.0.1 drains, fd00::2');
  balancer.drain('a', false);
  assert.equal(words(), '10.0.0.1, 10.0.0.2, fd00::2');
});

test('a name is a label: a backend that is renamed stays, one that moves is another', async () => {
  const { balancer, turn, words, settled, openConnections } = open('proxy');
  balancer.setSources([a, b], []);
  await balancer.open();
  turn(a, true);
  turn(b, true);
  openConnections.set(a, 1);
  balancer.setSources(
    [
      { ...a, name: 'renamed' },
      { ...c, name: 'b' },
    ],
    [],
  );
  turn(c, true);
  assert.equal(words(), '10.0.0.1, 10.0.0.3, 10.0.0.2 drains');
  openConnections.set({ ...c, name: 'b' }, 1);
  await settled();
  assert.equal(words(), '10.0.0.1, 10.0.0.3');
  assert.deepEqual(
    balancer.status().backends.map(({ name, connections }) => [name, connections]),
    [
      ['renamed', 1],
      ['b', 1],
    ],
  );
});

test('who left is not let go on a count that failed', async () => {
  const { balancer, turn, words, settled, stopCounting } = open('nftables');
  balancer.setSources([a, b], []);
  await balancer.open();
  turn(a, true);
  turn(b, true);
  stopCounting();
  balancer.setSources([a], []);
  await settled();
  assert.equal(words(), '10.0.0.1, 10.0.0.2 drains');
});
