import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressEvent, longestOverlap, tenuresOf } from '../../../src/lab/address-watch.js';
import type { Ip } from '../../../src/net/ip.js';

const address = { ip: '10.77.0.100' as Ip, prefixLength: 32 };
const event = (at: number, kind: AddressEvent['kind']): AddressEvent => ({ at, kind, address, interface: 'eth0' });

test('a tenure lasts from the first put to the removal; refreshes do not cut it', () => {
  const events = [event(10, 'put'), event(20, 'put'), event(30, 'removed'), event(40, 'removed'), event(50, 'put')];
  assert.deepEqual(tenuresOf(events, undefined, 60), [
    { from: 10, to: 30 },
    { from: 50, to: 60 },
  ]);
});

test('an address that was there when the watch began is a tenure from then on', () => {
  assert.deepEqual(tenuresOf([event(30, 'removed')], 5, 60), [{ from: 5, to: 30 }]);
});

test('the longest overlap is that of any two hosts', () => {
  const a = [
    { from: 0, to: 10 },
    { from: 100, to: 200 },
  ];
  const b = [{ from: 9, to: 100 }];
  const c = [{ from: 195, to: 300 }];
  assert.equal(longestOverlap([a, b, c]), 5);
  assert.equal(longestOverlap([a, [{ from: 10, to: 100 }]]), 0);
  assert.equal(longestOverlap([a, []]), 0);
});
