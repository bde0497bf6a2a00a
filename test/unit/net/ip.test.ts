import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { familyOf, type Ip, ipBytes, ipFromBytes, parseIp } from '../../../src/net/ip.js';

test('every address of 4 or 16 bytes has one text that reads back to it', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const ip = ipFromBytes(given) as Ip;
      assert.equal(parseIp(ip), ip);
      assert.deepEqual(ipBytes(ip), given);
      assert.equal(familyOf(ip), given.length === 4 ? 4 : 6);
    }),
  );
});

test('IPv6 text is RFC 5952 canonical', () => {
  const cases = {
    '2001:DB8:0:0:0:0:0:1': '2001:db8::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '0:0:0:0:0:0:0:0': '::',
    '::ffff:192.0.2.1': '::ffff:192.0.2.1',
    'fe80:0:0:0::': 'fe80::',
  };
  for (const [text, canonical] of Object.entries(cases)) assert.equal(parseIp(text), canonical);
});

test('what is not an address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4/8',
    'fe80::1%eth0',
    'g::',
    '1:2:3:4:5:6:7:8:9',
    '::1::',
  ]) {
    assert.equal(parseIp(text), undefined, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => parseIp(text) === undefined || ipBytes(parseIp(text) as Ip).length >= 4),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      (bytes) => [4, 16].includes(bytes.length) === (ipFromBytes(bytes) !== undefined),
    ),
  );
});
