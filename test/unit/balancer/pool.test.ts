import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, shareOut } from '../../../src/balancer/pool.js';
import type { Ip } from '../../../src/net/ip.js';

function candidate(name: string, state: Partial<Candidate>): Candidate {
  const number = name.charCodeAt(0) - 96;
  return { name, ip: `10.0.0.${number}` as Ip, port: 6443, weight: 1, ready: true, up: true, drained: false, ...state };
}

const local = { name: 'self', ip: '127.0.0.1' as Ip, port: 6443, weight: 1 };

/** Names of those that get new connections, then of those that keep theirs. */
function names(
  candidates: readonly Candidate[],
  last = local,
  whenDown: 'close' | 'keep' = 'close',
): readonly [string, string] {
  const { shares, isLastResort } = shareOut(candidates, [last], whenDown);
  const those = (draining: boolean) =>
    shares
      .filter((share) => share.draining === draining)
      .map((share) => share.name)
      .join(' ');
  assert.equal(isLastResort, those(false) === 'self');
  return [those(false), those(true)];
}

test('a NotReady node keeps its connections and gets no new ones while another is Ready', () => {
  assert.deepEqual(names([candidate('a', {}), candidate('b', { ready: false })]), ['a', 'b']);
});

test('when no node is Ready the checks alone decide', () => {
  const both = [candidate('a', { ready: false }), candidate('b', { ready: false, up: false })];
  assert.deepEqual(names(both), ['a', '']);
});

test('with none left the local API server serves; without one, nobody', () => {
  assert.deepEqual(names([candidate('a', { up: false }), candidate('b', { ready: false, up: false })]), ['self', '']);
  assert.deepEqual(shareOut([], [], 'close'), { shares: [], isLastResort: false });
});

test('a drained backend keeps its connections; with nobody else the local API server serves', () => {
  assert.deepEqual(names([candidate('a', {}), candidate('b', { drained: true })]), ['a', 'b']);
  assert.deepEqual(names([candidate('a', { drained: true })]), ['self', 'a']);
  assert.deepEqual(names([candidate('a', { drained: true, up: false })]), ['self', '']);
});

test('one that is down keeps its connections only on request', () => {
  const both = [candidate('a', {}), candidate('b', { up: false })];
  assert.deepEqual(
    [names(both, local, 'close'), names(both, local, 'keep')],
    [
      ['a', ''],
      ['a', 'b'],
    ],
  );
});

test('an address is there once, whatever its names: who gets new connections is no keeper', () => {
  const own = { ...local, ip: '10.0.0.1' as Ip };
  assert.deepEqual(names([candidate('a', { up: false })], own, 'keep'), ['self', '']);
});
