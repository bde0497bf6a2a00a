import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attribute, concat, type NetlinkRequest, nested, text } from '../../../../src/kernel/linux/netlink-message.js';
import {
  decodeCounter,
  encodeMakeTable,
  encodeRemoveTable,
  encodeSetTable,
  encodeSweep,
  namesOf,
  ownerFlag,
} from '../../../../src/kernel/linux/nft-message.js';
import type { Ip } from '../../../../src/net/ip.js';
import { redirectTable } from '../../../../src/nft/redirects.js';
import type { Table } from '../../../../src/nft/table.js';

const begin = 16;
const end = 17;
const ack = 4;
const redirects = redirectTable([
  { ip: '192.0.2.100' as Ip, port: 6443, toPort: 16443 },
  { ip: '2001:db8::100' as Ip, port: 6443, toPort: 16443 },
]);
const balancing: Table = {
  counters: ['c1'],
  chains: [
    {
      name: 'service',
      rules: [
        {
          subject: 'distribute',
          statements: [
            { kind: 'count-by', end: 'to', family: 4, counters: [{ ip: '192.0.2.1' as Ip, port: 1, counter: 'c1' }] },
          ],
        },
      ],
    },
  ],
};
const nothing = { chains: new Set<string>(), counters: new Set<string>() };

const subjects = (requests: readonly NetlinkRequest[]) =>
  requests.map(({ type, subject }) => (type >> 8 === 10 ? subject : type));

test('a table is set by one batch: its rules go, chains and counters that it lacks come, the new rules', () => {
  const requests = encodeSetTable('vipd', ownerFlag, redirects, nothing);
  assert.deepEqual(subjects(requests), [
    begin,
    'table vipd',
    'delete rules',
    'chain prerouting',
    'chain output',
    'redirect 192.0.2.100:6443 in chain prerouting',
    'redirect [2001:db8::100]:6443 in chain prerouting',
    'redirect 192.0.2.100:6443 in chain output',
    'redirect [2001:db8::100]:6443 in chain output',
    end,
  ]);
  assert.deepEqual(
    requests.map(({ flags }) => (flags & ack) !== 0),
    [...Array(8).fill(false), true, false],
  );
  for (const { type, payload } of [...requests.slice(0, 1), ...requests.slice(-1)]) {
    assert.deepEqual([...payload], [0, 0, 0, 10], String(type));
  }
  assert.deepEqual(
    subjects(encodeSetTable('vipd', ownerFlag, redirects, namesOf(redirects))).filter((s) =>
      /chain \w+$/.test(String(s)),
    ),
    subjects(requests).slice(5, 9),
  );
});

test('a rule’s map comes before it; counters come before what counts in them', () => {
  assert.deepEqual(subjects(encodeSetTable('t', 0, balancing, nothing)), [
    begin,
    'table t',
    'delete rules',
    'counter c1',
    'chain service',
    'map of distribute',
    'map of distribute',
    'distribute',
    end,
  ]);
  assert.deepEqual(subjects(encodeSetTable('t', 0, balancing, namesOf(balancing))), [
    ...[begin, 'table t', 'delete rules'],
    ...['map of distribute', 'map of distribute', 'distribute', end],
  ]);
});

test('a table can be made empty, swept and removed', () => {
  assert.deepEqual(subjects(encodeRemoveTable('vipd', 0)), [begin, 'table vipd', 'delete table vipd', end]);
  assert.deepEqual(subjects(encodeSweep('vipd', ['a'], ['c'])), [begin, 'delete chain a', 'delete counter c', end]);
  const [, table] = encodeMakeTable('vipd', ownerFlag);
  assert.equal(
    Buffer.from(table?.payload ?? []).toString('hex'),
    // nfgenmsg of family inet, NFTA_TABLE_NAME "vipd", NFTA_TABLE_FLAGS in network byte order
    '01000000' + '09000100' + '7669706400000000' + '08000200' + '00000002',
  );
});

test('a redirect matches address and port and sets the port alone', () => {
  const rule = Buffer.from(
    encodeSetTable('vipd', 0, redirects, nothing).find(({ subject }) => subject?.startsWith('redirect'))?.payload ?? [],
  );
  const at = (hex: string) => {
    const index = rule.indexOf(Buffer.from(hex, 'hex'));
    assert.notEqual(index, -1, hex);
    return index;
  };
  const name = (word: string) => at(Buffer.from(`${word}\0`).toString('hex'));
  assert.ok(
    at('c0000264') < at('192b') && at('192b') < name('fib') && name('fib') < at('403b') && at('403b') < name('nat'),
  );
  // NFTA_NAT_TYPE dnat, NFTA_NAT_FAMILY ipv4, NFTA_NAT_REG_PROTO_MIN 1: no register with an address
  assert.equal(rule.subarray(-24).toString('hex'), '0800010000000001' + '0800020000000002' + '0800050000000001');
});

const newObject = (payload: Uint8Array) => ({ type: (10 << 8) | 18, flags: 0, sequence: 1, payload });

test('a counter is read', () => {
  const number = (value: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, value >> 8, value & 0xff);
  const data = nested(4, attribute(1, number(1500)), attribute(2, number(3)));
  const payload = concat(Uint8Array.of(1, 0, 0, 0), attribute(1, text('t')), attribute(2, text('c1')), data);
  assert.deepEqual(decodeCounter(newObject(payload)), {
    ok: true,
    value: ['c1', { packets: 3n, bytes: 1500n }],
  });
  assert.deepEqual(decodeCounter({ ...newObject(payload), type: 3 }), { ok: false, reason: 'not-a-counter' });
});

test('whatever comes as a counter, reading it gives a result', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 32 }), (noise, inner) => {
      decodeCounter(newObject(noise));
      decodeCounter(newObject(concat(new Uint8Array(4), attribute(2, noise), attribute(4, inner))));
      decodeCounter(
        newObject(concat(new Uint8Array(4), attribute(2, text('c')), nested(4, attribute(1, inner), noise))),
      );
    }),
  );
});
