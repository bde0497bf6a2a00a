import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckResult } from '../../../src/balancer/health.js';
import { createHealthChecks } from '../../../src/balancer/health-driver.js';
import type { Backend } from '../../../src/balancer/pool.js';
import type { Ip } from '../../../src/net/ip.js';
import { type Millis, millis } from '../../../src/time/instant.js';
import type { Seed } from '../../../src/time/random.js';
import { createFakeClock } from '../../fakes/clock.js';

interface Running {
  readonly backend: string;
  readonly timeout: Millis;
  readonly signal: AbortSignal;
  answer(result: CheckResult): Promise<void>;
}

const config = { interval: millis(2000), fastInterval: millis(500), timeout: millis(1000), fall: 3, rise: 2 };
const ok: CheckResult = { ok: true };
const backend = (name: string, ip = '10.0.0.1'): Backend => ({ name, ip: ip as Ip, port: 6443 });

function open() {
  const clock = createFakeClock();
  const running: Running[] = [];
  const lines: string[] = [];
  const turns: string[] = [];
  const took: number[] = [];
  const write =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      const { backend: name, from = '', to = '', because, detail = '', mend } = fields;
      lines.push([level, message, name, from, to, because, detail, mend === undefined ? '' : 'mend'].join('|'));
    };
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const probe = (to: Backend, timeout: Millis, signal: AbortSignal) =>
    new Promise<CheckResult>((resolve) => {
      running.push({
        backend: to.name,
        timeout,
        signal,
        async answer(result) {
          resolve(result);
          await new Promise((settled) => setImmediate(settled));
        },
      });
    });
  const checks = createHealthChecks({
    config,
    probe,
    clock,
    seed: 1 as Seed,
    log,
    onChange: (to, up) => turns.push(`${to.name} ${up ? 'up' : 'down'}`),
    onCheck: (_to, _result, time) => took.push(time),
  });
  const take = (): Running => {
    const next = running.shift();
    assert.ok(next);
    return next;
  };
  /** The next check, and its answer. */
  const step = async (result: CheckResult) => {
    if (running.length === 0) clock.advance(2000);
    await take().answer(result);
  };
  return { clock, checks, running, lines, turns, took, take, step, probe };
}

test('a check that has no answer holds up no other backend’s', async () => {
  const { checks, clock, running, turns, take } = open();
  checks.set([backend('a'), backend('b', '10.0.0.2')]);
  const silent = take();
  for (let i = 0; i < 5; i++) {
    await take().answer(ok);
    clock.advance(2000);
  }
  assert.equal(silent.backend, 'a');
  assert.ok(running.every((check) => check.backend === 'b'));
  assert.deepEqual(turns, ['b up']);
});

test('each check is measured, and its time is in the report', async () => {
  const { checks, clock, took, take } = open();
  checks.set([backend('a')]);
  assert.equal(checks.of(backend('a'))?.at, undefined);
  clock.advance(30);
  await take().answer(ok);
  assert.deepEqual(took, [30]);
  assert.equal(checks.of(backend('a'))?.at?.getTime(), clock.wall().getTime());
  assert.equal(checks.of(backend('b', '10.0.0.2')), undefined);
});

test('the log has a line for each turn and each new reason to stay down, not for each check', async () => {
  const { checks, lines, step } = open();
  checks.set([backend('a')]);
  const wrongCa: CheckResult = { ok: false, because: 'certificate-unknown-ca', detail: 'no issuer' };
  const refused: CheckResult = { ok: false, because: 'refused' };
  for (const result of [ok, wrongCa, wrongCa, wrongCa, wrongCa, refused, wrongCa, refused, refused, ok, ok]) {
    await step(result);
  }
  for (const result of [wrongCa, wrongCa, wrongCa, wrongCa]) await step(result);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('debug')),
    [
      'info|backend|a|unchecked|up|check-ok||',
      'warn|backend|a|up|down|certificate-unknown-ca|no issuer|mend',
      'info|backend stays down|a|||refused||',
      'info|backend|a|down|up|check-ok||',
      'warn|backend|a|up|down|certificate-unknown-ca|no issuer|mend',
    ],
  );
});

test('a backend that stays keeps its state; one that moved or left is checked no more, and its check is given up', async () => {
  const { checks, clock, running, turns, take, step } = open();
  checks.set([backend('stays'), backend('moves', '10.0.0.2'), backend('leaves', '10.0.0.3')]);
  for (let i = 0; i < 3; i++) await step(ok);
  clock.advance(2000);
  const underWay = running.splice(0);
  assert.equal(new Set(underWay.map((check) => check.backend)).size, 3);
  checks.set([backend('stays'), backend('moves', '10.0.0.9')]);
  for (const check of underWay) assert.equal(check.signal.aborted, check.backend !== 'stays');
  for (const check of underWay) await check.answer({ ok: false, because: 'refused' });
  assert.deepEqual(turns, ['stays up', 'moves up', 'leaves up']);
  assert.equal(checks.of(backend('stays'))?.health.up, true);
  assert.equal(checks.of(backend('moves', '10.0.0.9'))?.health.lastResult, undefined);
  assert.equal(checks.of(backend('leaves', '10.0.0.3')), undefined);
  assert.equal(take().backend, 'moves');
  checks[Symbol.dispose]();
  clock.advance(60_000);
  assert.deepEqual(running, []);
});

test('checks that change keep every backend’s state', async () => {
  const { checks, clock, turns, take, step, probe } = open();
  checks.set([backend('a')]);
  await step(ok);
  checks.change({ config: { ...config, timeout: millis(700), fall: 1 }, probe });
  assert.equal(checks.of(backend('a'))?.health.up, true);
  clock.advance(2000);
  const check = take();
  assert.equal(check.timeout, 700);
  await check.answer({ ok: false, because: 'refused' });
  assert.deepEqual(turns, ['a up', 'a down']);
});
