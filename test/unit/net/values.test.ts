import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cidr, contains, formatCidr, isSubnetRouterAnycast, parseCidr } from '../../../src/net/cidr.js';
import { decodeEthernet, encodeEthernet } from '../../../src/net/ethernet.js';
import { type Ip, ipBytes, ipFromBytes } from '../../../src/net/ip.js';
import { type Mac, macBytes, macFromBytes, parseMac } from '../../../src/net/mac.js';

const anyIp = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => ipFromBytes(bytes) as Ip);
const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes) as Mac);

test('a CIDR reads back as written', () => {
  fc.assert(
    fc.property(anyIp, fc.nat(128), (ip, length) => {
      const text = `${ip}/${length}`;
      const cidr = parseCidr(text);
      assert.equal(cidr !== undefined, length <= ipBytes(ip).length * 8);
      if (cidr !== undefined) assert.equal(formatCidr(cidr), text);
    }),
  );
});

test('a network holds exactly the addresses that share its prefix', () => {
  fc.assert(
    fc.property(anyIp, anyIp, fc.nat(128), (a, b, length) => {
      const bits = (ip: Ip) => Array.from(ipBytes(ip), (byte) => byte.toString(2).padStart(8, '0')).join('');
      const cidr = parseCidr(`${a}/${length}`);
      if (cidr === undefined) return;
      const expected = bits(a).length === bits(b).length && bits(a).slice(0, length) === bits(b).slice(0, length);
      assert.equal(contains(cidr, b), expected);
    }),
  );
  const cidr = parseCidr('10.1.2.3/20');
  assert.ok(cidr && contains(cidr, '10.1.15.255' as Ip) && !contains(cidr, '10.1.16.0' as Ip));
});

test('what is no CIDR is refused', () => {
  for (const text of ['10.0.0.1/', '10.0.0.1/33', '10.0.0.1/-1', '10.0.0.1/08', '10.0.0.1/1/2', '/24', '::/129']) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test('a MAC has one text', () => {
  fc.assert(fc.property(anyMac, (mac) => parseMac(mac.toUpperCase()) === mac && macFromBytes(macBytes(mac)) === mac));
  for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:0g', '020000000001', '02:00:00:00:00:00:01']) {
    assert.equal(parseMac(text), undefined, text);
  }
});

test('an Ethernet frame reads back as written; short bytes are refused', () => {
  fc.assert(
    fc.property(
      anyMac,
      anyMac,
      fc.nat(0xffff),
      fc.uint8Array({ maxLength: 64 }),
      (destination, source, etherType, payload) => {
        const frame = { destination, source, etherType, payload };
        assert.deepEqual(decodeEthernet(encodeEthernet(frame)), { ok: true, value: frame });
      },
    ),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 13 }), (bytes) => !decodeEthernet(bytes).ok));
});

test('RFC 4291 2.6.1: the zeros of an IPv6 subnet are its routers', () => {
  const isRouters = (text: string) => isSubnetRouterAnycast(parseCidr(text) as Cidr);
  for (const text of ['2001:db8::/64', '2001:db8::4/126', '2001:db8::40/122']) assert.ok(isRouters(text), text);
  for (const text of ['2001:db8::1/64', '2001:db8::20/122', '2001:db8::/127', '2001:db8::', '10.0.0.0/24'])
    assert.ok(!isRouters(text), text);
});
