import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDaemon } from '../../../src/cli/run-daemon.js';
import type { Daemon } from '../../../src/daemon.js';
import { createFakeClock } from '../../fakes/clock.js';
import { statusExample } from '../telemetry/status-example.js';

/** A daemon whose start, failure and stop the test decides, and the run around it. */
function setUp() {
  const events: string[] = [];
  const hangUps: (() => void)[] = [];
  const asks: (() => void)[] = [];
  const stop = new AbortController();
  const bug = new AbortController();
  const clock = createFakeClock();
  const started = withResolvers<void>();
  const failed = withResolvers<Error>();
  const finished = withResolvers<'finished'>();
  const stopped = withResolvers<void>();
  const daemon: Daemon = {
    status: async () => statusExample,
    async reload() {
      events.push('reload');
      return { ok: true, changes: [] };
    },
    async dump() {
      events.push('dump');
      return { version: '1' };
    },
    stop(reason) {
      events.push(`stop ${reason}`);
      return stopped.promise;
    },
    failed: failed.promise,
    finished: finished.promise,
  };
  const note = (level: string) => (message: string) => void events.push(`${level} ${message}`);
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const code = runDaemon({
    start: () => started.promise.then(() => daemon),
    log,
    clock,
    stop: stop.signal,
    bug: bug.signal,
    onHangUp: (listener) => hangUps.push(listener),
    onDump: (listener) => asks.push(listener),
    writeDump: (state) => void events.push(`write ${JSON.stringify(state)}`),
  });
  const ask = () => asks.forEach((listener) => void listener());
  const hangUp = () => hangUps.forEach((listener) => void listener());
  return { events, stop, bug, hangUp, ask, clock, started, failed, finished, stopped, code };
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

/** Lets every promise that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('when another process has gone on, and nothing is open any more, it ends with 0 and gives nothing up', async () => {
  const run = setUp();
  run.started.resolve();
  await settle();
  run.finished.resolve('finished');
  assert.equal(await run.code, 0);
  assert.deepEqual(run.events, []);
});

test('a signal stops the daemon in order, and a second one does not hurry it', async () => {
  const run = setUp();
  run.started.resolve();
  await settle();
  run.stop.abort('SIGTERM');
  run.stop.abort('SIGINT');
  run.clock.advance(60_000);
  await settle();
  assert.deepEqual(run.events, ['info stopping', 'stop SIGTERM']);
  run.stopped.resolve();
  assert.equal(await run.code, 0);
  assert.deepEqual(run.events.slice(2), ['info stopped']);
});

test('a daemon that cannot go on gives up its VIPs, and the exit code is 1', async () => {
  const run = setUp();
  run.started.resolve();
  run.failed.resolve(new Error('netlink is gone'));
  run.stopped.resolve();
  assert.equal(await run.code, 1);
  assert.deepEqual(run.events, ['error cannot go on; giving up the VIPs', 'stop failed']);
});

test('a bug gives up the VIPs, and a stop that hangs then is not waited for', async () => {
  const run = setUp();
  run.started.resolve();
  await settle();
  run.bug.abort(new Error('undefined is not a function'));
  await settle();
  assert.deepEqual(run.events, ['error cannot go on; giving up the VIPs', 'stop failed']);
  run.clock.advance(5_000);
  assert.equal(await run.code, 1);
});

test('a bug on the way down is told and does not leave the process hanging', async () => {
  const run = setUp();
  run.started.resolve();
  await settle();
  run.stop.abort('SIGTERM');
  await settle();
  run.bug.abort(new Error('undefined is not a function'));
  await settle();
  run.clock.advance(5_000);
  assert.equal(await run.code, 1);
  assert.ok(run.events.includes('error an error while stopping'));
});

test('a stop that fails is exit code 1', async () => {
  const run = setUp();
  run.started.resolve();
  await settle();
  run.stop.abort('SIGTERM');
  run.stopped.reject(new Error('the address stays'));
  assert.equal(await run.code, 1);
  assert.ok(run.events.includes('error the stop was not orderly'));
});

test('a signal during the start stops what came up, or ends without it', async () => {
  const slow = setUp();
  slow.stop.abort('SIGTERM');
  await settle();
  slow.started.resolve();
  await settle();
  slow.stopped.resolve();
  assert.equal(await slow.code, 0);
  assert.deepEqual(slow.events, ['info stopping', 'stop SIGTERM', 'info stopped']);
  const hanging = setUp();
  hanging.stop.abort('SIGTERM');
  await settle();
  hanging.clock.advance(5_000);
  assert.equal(await hanging.code, 0);
  assert.deepEqual(hanging.events, ['error stopped before the start was done']);
});

test('what the start throws is thrown on', async () => {
  const run = setUp();
  run.started.reject(new Error('no such interface'));
  await assert.rejects(run.code, /^Error: no such interface$/);
});

test('SIGHUP reloads, after the start if it comes before, and not any more on the way down', async () => {
  const run = setUp();
  run.hangUp();
  await settle();
  assert.deepEqual(run.events, []);
  run.started.resolve();
  await settle();
  assert.deepEqual(run.events, ['reload']);
  run.hangUp();
  await settle();
  assert.deepEqual(run.events, ['reload', 'reload']);
  run.stop.abort('SIGTERM');
  run.hangUp();
  run.stopped.resolve();
  assert.equal(await run.code, 0);
  assert.deepEqual(run.events.slice(2), ['info stopping', 'stop SIGTERM', 'info stopped']);
});

test('SIGHUP during a start that fails changes nothing about how it ends', async () => {
  const run = setUp();
  run.hangUp();
  run.started.reject(new Error('no such interface'));
  await assert.rejects(run.code, /^Error: no such interface$/);
  assert.deepEqual(run.events, []);
});

test('SIGUSR1 has the state written, after the start if it comes before, once for all who ask meanwhile', async () => {
  const run = setUp();
  run.ask();
  run.ask();
  await settle();
  assert.deepEqual(run.events, []);
  run.started.resolve();
  await settle();
  assert.deepEqual(run.events, ['dump', 'write {"version":"1"}']);
  run.ask();
  await settle();
  assert.deepEqual(run.events.slice(2), ['dump', 'write {"version":"1"}']);
  run.stop.abort('SIGTERM');
  run.ask();
  run.stopped.resolve();
  assert.equal(await run.code, 0);
  assert.deepEqual(run.events.at(-1), 'info stopped');
});
