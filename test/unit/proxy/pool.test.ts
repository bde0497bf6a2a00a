import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Ip } from '../../../src/net/ip.js';
import { checked, type HealthState, initialHealth } from '../../../src/proxy/health.js';
import { type Candidate, eligible } from '../../../src/proxy/pool.js';
import { type Instant, millis } from '../../../src/time/instant.js';

const config = { interval: millis(2000), timeout: millis(1000), fall: 3, rise: 2 };
const at = 0 as Instant;

function run(state: HealthState, results: string): string {
  let seen = '';
  for (const result of results) {
    state = checked(state, config, result === '+' ? { ok: true } : { ok: false, because: 'refused' }, at);
    seen += state.up ? 'U' : 'D';
  }
  return seen;
}

test('the first check decides alone, later ones by rise and fall', () => {
  assert.equal(run(initialHealth(at), '+--+---'), 'UUUUUUD');
  assert.equal(run(initialHealth(at), '-+-+++--'), 'DDDDUUUU');
});

test('fall and rise count in a row, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), (results) => {
      const trace = run(initialHealth(at), results.map((ok) => (ok ? '+' : '-')).join(''));
      for (let i = 1; i < trace.length; i++) {
        if (trace[i] === trace[i - 1]) continue;
        const needed = trace[i] === 'U' ? config.rise : config.fall;
        assert.ok(results.slice(i + 1 - needed, i + 1).every((ok) => ok === (trace[i] === 'U')));
      }
    }),
  );
});

function candidate(name: string, ready: boolean, up: boolean): Candidate {
  return { name, ip: '10.0.0.1' as Ip, port: 6443, ready, up };
}

const local = { name: 'self', ip: '127.0.0.1' as Ip, port: 6443 };

test('a NotReady node is left out while another is Ready', () => {
  const pool = eligible([candidate('a', true, true), candidate('b', false, true)], local);
  assert.deepEqual(
    pool.map((b) => b.name),
    ['a'],
  );
});

test('when no node is Ready the checks alone decide', () => {
  const pool = eligible([candidate('a', false, true), candidate('b', false, false)], local);
  assert.deepEqual(
    pool.map((b) => b.name),
    ['a'],
  );
});

test('with none left the local API server serves; without one, nobody', () => {
  assert.deepEqual(eligible([candidate('a', true, false), candidate('b', false, true)], local), [local]);
  assert.deepEqual(eligible([], undefined), []);
});
