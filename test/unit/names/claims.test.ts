import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClaims } from '../../../src/names/claims.js';
import type { Ip } from '../../../src/net/ip.js';

const [x, y, written] = ['192.0.2.9', '192.0.2.10', '192.0.2.11'] as Ip[] as [Ip, Ip, Ip];

function three() {
  const told: string[] = [];
  const vips = [
    { name: 'first', written: [] },
    { name: 'second', written: [] },
    { name: 'third', written: [written] },
  ];
  return { claims: createClaims(vips, (vip) => told.push(vip)), told };
}

test('of two VIPs that look for a place at once one gets the address', () => {
  for (const [one, other] of [
    ['first', 'second'],
    ['second', 'first'],
  ] as const) {
    const { claims } = three();
    claims.want(one, [x]);
    assert.equal(claims.taken(one, [x], 'take'), undefined);
    claims.hold(one, [x]);
    claims.want(other, [x]);
    assert.equal(claims.taken(other, [x], 'take'), x);
  }
});

test('the later of the settings makes room for the earlier, and has the address again when that has gone elsewhere', () => {
  const { claims, told } = three();
  claims.want('second', [x]);
  claims.hold('second', [x]);
  claims.want('first', [x, y]);
  assert.deepEqual(told.splice(0), ['second']);
  assert.equal(claims.taken('second', [x], 'keep'), x);
  // It has it until it has given it up.
  assert.equal(claims.taken('first', [x, y], 'take'), x);
  claims.hold('second', []);
  assert.deepEqual(told.splice(0), ['first']);
  assert.equal(claims.taken('first', [x, y], 'take'), undefined);
  claims.hold('first', [x, y]);
  claims.want('first', [y]);
  assert.deepEqual(told.splice(0), ['second']);
  assert.equal(claims.taken('second', [x], 'take'), x);
  claims.hold('first', [y]);
  assert.deepEqual(told.splice(0), ['second']);
  assert.equal(claims.taken('second', [x], 'take'), undefined);
});

test('the earlier keeps what the later wants, and a written address is nobody else’s', () => {
  const { claims } = three();
  claims.want('first', [x]);
  claims.hold('first', [x]);
  claims.want('second', [x]);
  assert.equal(claims.taken('first', [x], 'keep'), undefined);
  assert.equal(claims.taken('second', [x], 'take'), x);
  assert.equal(claims.taken('first', [written], 'take'), written);
  assert.equal(claims.taken('third', [written], 'take'), undefined);
});

test('nobody is told of what does not change', () => {
  const { claims, told } = three();
  claims.want('first', [x]);
  claims.want('second', [x]);
  told.splice(0);
  for (let round = 0; round < 3; round++) {
    claims.want('first', [x]);
    claims.want('second', [x]);
    claims.hold('first', [x]);
  }
  assert.deepEqual(told, []);
});
