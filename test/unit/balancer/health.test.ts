import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  answered,
  type CheckResult,
  type HealthConfig,
  type HealthState,
  initialHealth,
  nextCheckAt,
  started,
} from '../../../src/balancer/health.js';
import { type Instant, millis } from '../../../src/time/instant.js';
import type { Seed } from '../../../src/time/random.js';

const config: HealthConfig = {
  interval: millis(2000),
  fastInterval: millis(500),
  timeout: millis(2000),
  fall: 3,
  rise: 2,
};
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((seed) => seed as Seed);

/** Runs checks whose results are `+` and `-`, each answered before the next begins, and says what the state is after each. */
function run(results: string): string {
  let state = initialHealth(0 as Instant, 1 as Seed);
  let seen = '';
  for (const result of results) {
    state = answered(started(state, 0 as Instant), config, resultOf(result === '+'));
    seen += state.up ? 'U' : 'D';
  }
  return seen;
}

function resultOf(ok: boolean): CheckResult {
  return ok ? { ok: true } : { ok: false, because: 'refused' };
}

test('the first check decides alone, later ones by rise and fall', () => {
  assert.equal(run('+--+---'), 'UUUUUUD');
  assert.equal(run('-+-+++--'), 'DDDDUUUU');
});

test('fall and rise count in a row, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), (results) => {
      const trace = run(results.map((ok) => (ok ? '+' : '-')).join(''));
      for (let i = 1; i < trace.length; i++) {
        if (trace[i] === trace[i - 1]) continue;
        const needed = trace[i] === 'U' ? config.rise : config.fall;
        assert.ok(results.slice(i + 1 - needed, i + 1).every((ok) => ok === (trace[i] === 'U')));
      }
    }),
  );
});

interface Simulated {
  /** When checks began. */
  readonly starts: readonly number[];
  /** When the state turned, the first answer included. */
  readonly turns: readonly { readonly at: number; readonly up: boolean }[];
  readonly mostRunning: number;
}

/** A backend as `reply` has it: asked at an instant, it says what comes back, and how much later. */
function simulate(
  seed: Seed,
  until: number,
  reply: (at: number) => { readonly ok: boolean; readonly after: number },
): Simulated {
  let state: HealthState = initialHealth(0 as Instant, seed);
  const pending: { at: number; ok: boolean }[] = [];
  const starts: number[] = [];
  const turns: { at: number; up: boolean }[] = [];
  let mostRunning = 0;
  for (let now = 0; ; ) {
    const next = nextCheckAt(state, config) ?? Number.POSITIVE_INFINITY;
    const answer = pending.reduce((min, p) => Math.min(min, p.at), Number.POSITIVE_INFINITY);
    now = Math.max(now, Math.min(next, answer));
    if (now > until) return { starts, turns, mostRunning };
    if (next <= answer) {
      state = started(state, now as Instant);
      starts.push(now);
      mostRunning = Math.max(mostRunning, state.running);
      const { ok, after } = reply(now);
      pending.push(after < config.timeout ? { at: now + after, ok } : { at: now + config.timeout, ok: false });
    } else {
      const [first] = pending.splice(
        pending.findIndex((p) => p.at === answer),
        1,
      );
      const before = state;
      state = answered(state, config, resultOf(first?.ok ?? false));
      if (before.lastResult === undefined || before.up !== state.up) turns.push({ at: now, up: state.up });
    }
  }
}

test('a healthy backend is checked once an interval, up to a tenth earlier', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { starts, mostRunning } = simulate(seed, 60_000, () => ({ ok: true, after: 3 }));
      const gaps = starts.slice(2).map((at, i) => at - (starts[i + 1] ?? 0));
      assert.ok(gaps.every((gap) => gap >= 1800 && gap <= 2000));
      assert.equal(mostRunning, 1);
    }),
  );
});

test('backends that are first checked together are checked at times of their own after that', () => {
  const seconds = Array.from({ length: 200 }, (_, i) => {
    const { starts } = simulate((i * 7919) as Seed, 3000, () => ({ ok: true, after: 3 }));
    assert.equal(starts[0], 0);
    return starts[1] ?? 0;
  });
  for (let quarter = 0; quarter < 4; quarter++) {
    const here = seconds.filter((at) => at >= quarter * 500 && at < (quarter + 1) * 500).length;
    assert.ok(here > 25 && here < 75, `${here} of 200 in quarter ${quarter}`);
  }
});

test('a backend that refuses is down within an interval and two fast ones, and up again two answers after it is back', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 5000, max: 9000 }), (seed, dies) => {
      const back = dies + 10_000;
      const { turns } = simulate(seed, 30_000, (at) => ({ ok: at < dies || at >= back, after: 2 }));
      assert.deepEqual(
        turns.map((turn) => turn.up),
        [true, false, true],
      );
      assert.ok((turns[1]?.at ?? 0) - dies <= 2000 + 2 * 500 + 3 * 2);
      assert.ok((turns[2]?.at ?? 0) - back <= 2000 + 500 + 2 * 2);
    }),
  );
});

test('one that answers nothing is down within fall × interval although every check waits a whole interval', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 5000, max: 9000 }), (seed, dies) => {
      const { turns, mostRunning } = simulate(seed, 30_000, (at) => ({ ok: true, after: at < dies ? 2 : 60_000 }));
      assert.equal(turns.length, 2);
      assert.ok((turns[1]?.at ?? 0) - dies <= 2000 + 2 * 500 + 2000);
      // Never more than it takes to decide.
      assert.ok(mostRunning <= config.fall);
    }),
  );
});

test('one that is down and answers nothing has one check at a time', () => {
  const { starts, mostRunning } = simulate(1 as Seed, 20_000, () => ({ ok: true, after: 60_000 }));
  assert.equal(mostRunning, 1);
  assert.ok(starts.length <= 12);
});
