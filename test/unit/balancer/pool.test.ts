import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, eligible } from '../../../src/balancer/pool.js';
import type { Ip } from '../../../src/net/ip.js';

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
