import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ip, ipFromBytes, parseIp } from '../../../src/net/ip.js';
import { isSo, labelValue, patchFor, wantedLabels } from '../../../src/signs/labels.js';

const ip = (text: string) => parseIp(text) as Ip;
const api = { name: 'api', ips: [ip('192.168.1.100'), ip('fd00::100')] };
const web = { name: 'web', ips: [ip('fd00::1')] };

test('each VIP has its label, and kube-vip’s is that of the first', () => {
  assert.deepEqual(wantedLabels([]), {});
  assert.deepEqual(wantedLabels([api, web]), {
    'kube-vip.io/has-ip': '192.168.1.100',
    'vip.vipd/api': '192.168.1.100',
    'vip.vipd/web': 'fd000000000000000000000000000001',
  });
});

test('any address is a label’s value', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, (address) => {
      assert.match(labelValue(ipFromBytes(address) as Ip), /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
    }),
  );
  assert.equal(labelValue(ip('::1')), '00000000000000000000000000000001');
});

test('a patch removes what is ours and not wanted, an earlier life’s too, and leaves the rest', () => {
  const found = { 'vip.vipd/old': '10.0.0.1', 'kube-vip.io/has-ip': '10.0.0.1', 'kubernetes.io/os': 'linux' };
  const wanted = wantedLabels([api]);
  assert.deepEqual(patchFor(wanted, found, ['api', 'web']), {
    'kube-vip.io/has-ip': '192.168.1.100',
    'vip.vipd/api': '192.168.1.100',
    'vip.vipd/web': null,
    'vip.vipd/old': null,
  });
  assert.deepEqual(patchFor({}, {}, ['api']), { 'kube-vip.io/has-ip': null, 'vip.vipd/api': null });
  assert.ok(!isSo(wanted, found));
  assert.ok(!isSo(wanted, { ...wanted, 'vip.vipd/old': '10.0.0.1' }));
  assert.ok(isSo(wanted, { ...wanted, 'kubernetes.io/os': 'linux' }));
});
