import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReports } from '../../../src/supervisor/driver.js';
import { millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeSupervisor } from '../../fakes/supervisor.js';

function setUp(watchdog?: number) {
  const supervisor = createFakeSupervisor();
  const clock = createFakeClock();
  const daemon = { status: 'web: led by lb2', live: true };
  const warnings: string[] = [];
  const reports = createReports({
    supervisor,
    watchdog: watchdog === undefined ? undefined : millis(watchdog),
    live: () => daemon.live,
    status: () => daemon.status,
    clock,
    monotonic: () => 5_000_000n,
    log: { debug() {}, info() {}, warn: (message) => void warnings.push(message), error() {} },
  });
  return { supervisor, clock, daemon, reports, warnings };
}

test('ready is told with who leads, who leads only when that changes', () => {
  const { supervisor, clock, daemon, reports } = setUp();
  assert.deepEqual(supervisor.heard(), []);
  reports.ready();
  assert.deepEqual(supervisor.heard(), ['READY=1 STATUS=web: led by lb2']);
  clock.advance(5000);
  assert.deepEqual(supervisor.heard(), []);
  daemon.status = 'web: led here, on eth0';
  clock.advance(1000);
  assert.deepEqual(supervisor.heard(), ['STATUS=web: led here, on eth0']);
});

test('the watchdog hears of a daemon that makes progress, twice in its interval', () => {
  const { supervisor, clock, daemon, reports } = setUp(3000);
  clock.advance(10_000);
  assert.deepEqual(supervisor.heard(), []);
  reports.ready();
  supervisor.heard();
  clock.advance(3000);
  assert.deepEqual(supervisor.heard(), ['WATCHDOG=1', 'WATCHDOG=1']);
  daemon.live = false;
  clock.advance(9000);
  assert.deepEqual(supervisor.heard(), []);
  daemon.live = true;
  clock.advance(1500);
  assert.deepEqual(supervisor.heard(), ['WATCHDOG=1']);
});

test('a reload begins with its time and ends with ready; of two at once the last one ends it', async () => {
  const { supervisor, reports } = setUp();
  reports.ready();
  supervisor.heard();
  const ends: (() => void)[] = [];
  const work = () => new Promise<string>((resolve) => ends.push(() => resolve('done')));
  const first = reports.whileReloading(work);
  const second = reports.whileReloading(work);
  assert.deepEqual(supervisor.heard(), ['RELOADING=1 MONOTONIC_USEC=5000000']);
  ends[0]?.();
  assert.equal(await first, 'done');
  assert.deepEqual(supervisor.heard(), []);
  ends[1]?.();
  await second;
  assert.deepEqual(supervisor.heard(), ['READY=1']);
  await assert.rejects(reports.whileReloading(() => Promise.reject(new Error('refused'))));
  assert.deepEqual(supervisor.heard(), ['RELOADING=1 MONOTONIC_USEC=5000000', 'READY=1']);
});

test('a reload before the daemon is ready makes it no readier', async () => {
  const { supervisor, reports } = setUp();
  await reports.whileReloading(async () => {});
  assert.deepEqual(supervisor.heard(), []);
});

test('on the way down nothing says ready any more', async () => {
  const { supervisor, clock, daemon, reports } = setUp();
  reports.ready();
  supervisor.heard();
  await reports.whileReloading(async () => {
    supervisor.heard();
    reports.stopping();
  });
  daemon.status = 'web: no leader known, stopped';
  clock.advance(2000);
  assert.deepEqual(supervisor.heard(), ['STOPPING=1 STATUS=giving up the VIPs']);
});

test('what the supervisor does not take is told again, and complained of once', () => {
  const { supervisor, clock, reports, warnings } = setUp(3000);
  supervisor.deaf = true;
  reports.ready();
  clock.advance(3000);
  assert.deepEqual(warnings, ['the supervisor cannot be told']);
  supervisor.deaf = false;
  clock.advance(1000);
  assert.deepEqual(supervisor.heard(), ['READY=1 STATUS=web: led by lb2']);
});

test('once disposed it is silent', () => {
  const { supervisor, clock, daemon, reports } = setUp(3000);
  reports.ready();
  supervisor.heard();
  reports[Symbol.dispose]();
  daemon.status = 'changed';
  clock.advance(10_000);
  assert.deepEqual(supervisor.heard(), []);
});
