import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parseIp } from '../../../src/net/ip.js';
import { eventOf } from '../../../src/signs/change.js';

const vip = { name: 'api', ips: [parseIp('10.0.0.9') as Ip, parseIp('fd00::9') as Ip] };
const lease = { namespace: 'kube-system', name: 'plndr-cp-lock', uid: 'u' };
const where = { node: 'cp1', lease, at: new Date(0x1234), mark: 'ab' };

test('a change is told in the words of the log', () => {
  assert.deepEqual(eventOf({ vip, serves: true, because: 'acquired-expired' }, where, 0), {
    name: 'plndr-cp-lock.1234.ab',
    regarding: lease,
    type: 'Normal',
    reason: 'VipTaken',
    message: 'cp1 took VIP api (10.0.0.9, fd00::9): acquired-expired',
    node: 'cp1',
    at: new Date(0x1234),
  });
  const given = eventOf({ vip, serves: false, because: 'link-down' }, where, 3);
  assert.deepEqual([given.type, given.reason], ['Warning', 'VipGivenUp']);
  assert.match(given.message, /^cp1 gave up VIP api .*: link-down \(3 changes before it were not told\)$/);
  assert.equal(eventOf({ vip, serves: false, because: 'stopping' }, where, 0).type, 'Normal');
});

test('the name is one that Kubernetes takes, however long that of the Lease is', () => {
  const name = `${'a'.repeat(199)}.${'b'.repeat(53)}`;
  const event = eventOf({ vip, serves: true, because: 'x' }, { ...where, lease: { ...lease, name } }, 0);
  assert.match(event.name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  assert.ok(event.name.length <= 253);
});
