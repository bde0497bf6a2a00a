import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeEmptyTable, encodeTable, ownerFlag } from '../../../../src/kernel/linux/nft-message.js';
import type { Ip } from '../../../../src/net/ip.js';

const redirects = [
  { ip: '192.0.2.100' as Ip, port: 6443, toPort: 16443 },
  { ip: '2001:db8::100' as Ip, port: 6443, toPort: 16443 },
];
const begin = 16;
const end = 17;
const ack = 4;

test('a set of redirects is one batch: away with the old table, then the new one, its chains, its rules', () => {
  const requests = encodeTable(redirects, ownerFlag);
  assert.deepEqual(
    requests.map(({ type, subject }) => (type >> 8 === 10 ? subject : type)),
    [
      begin,
      'table vipd',
      'delete table vipd',
      'table vipd',
      'chain prerouting',
      'chain output',
      'redirect 192.0.2.100:6443 in chain prerouting',
      'redirect 192.0.2.100:6443 in chain output',
      'redirect [2001:db8::100]:6443 in chain prerouting',
      'redirect [2001:db8::100]:6443 in chain output',
      end,
    ],
  );
  assert.deepEqual(
    requests.map(({ flags }) => (flags & ack) !== 0),
    [...Array(9).fill(false), true, false],
  );
  for (const { type, payload } of [...requests.slice(0, 1), ...requests.slice(-1)]) {
    assert.deepEqual([...payload], [0, 0, 0, 10], String(type));
  }
});

test('no redirects leave no table; a table can be made empty', () => {
  assert.deepEqual(
    encodeTable([], 0).map(({ type, subject }) => subject ?? type),
    [begin, 'table vipd', 'delete table vipd', end],
  );
  const [, table] = encodeEmptyTable(ownerFlag);
  assert.equal(
    Buffer.from(table?.payload ?? []).toString('hex'),
    // nfgenmsg of family inet, NFTA_TABLE_NAME "vipd", NFTA_TABLE_FLAGS in network byte order
    '01000000' + '09000100' + '7669706400000000' + '08000200' + '00000002',
  );
});

test('a rule matches address and port and sets the port alone', () => {
  const rule = Buffer.from(
    encodeTable(redirects, 0).find(({ subject }) => subject?.startsWith('redirect'))?.payload ?? [],
  );
  const at = (hex: string) => {
    const index = rule.indexOf(Buffer.from(hex, 'hex'));
    assert.notEqual(index, -1, hex);
    return index;
  };
  const name = (text: string) => at(Buffer.from(`${text}\0`).toString('hex'));
  assert.ok(
    at('c0000264') < at('192b') && at('192b') < name('fib') && name('fib') < at('403b') && at('403b') < name('nat'),
  );
  // NFTA_NAT_TYPE dnat, NFTA_NAT_FAMILY ipv4, NFTA_NAT_REG_PROTO_MIN 1: no register with an address
  assert.equal(rule.subarray(-24).toString('hex'), '0800010000000001' + '0800020000000002' + '0800050000000001');
});
