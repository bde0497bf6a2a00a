import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute, concat, decodeAttributes, hostUint32 } from '../../../../src/kernel/linux/netlink-message.js';
import {
  decodeAddress,
  decodeDefaultRoute,
  decodeLink,
  encodePutAddress,
  encodeRemoveAddress,
} from '../../../../src/kernel/linux/rtnetlink-message.js';
import { type Ip, ipBytes } from '../../../../src/net/ip.js';
import { millis } from '../../../../src/time/instant.js';

const ipv4 = '192.0.2.100' as Ip;
const ipv6 = '2001:db8::100' as Ip;
const text = (value: string) => new TextEncoder().encode(`${value}\0`);
const hostUint16 = (value: number) => new Uint8Array(Uint16Array.of(value).buffer);

function attributesOf(payload: Uint8Array, offset: number) {
  const attributes = decodeAttributes(payload.subarray(offset));
  assert.ok(attributes.ok);
  return attributes.value;
}

test('an IPv4 address has scope host, preferred lifetime 0, no prefix route, our protocol', () => {
  const request = encodePutAddress({ ip: ipv4, prefixLength: 32, link: 7, lifetime: millis(3999) });
  assert.equal(request.type, 20);
  assert.equal(request.flags, 0x400 | 0x100 | 0x4);
  assert.deepEqual(request.payload.subarray(0, 8), concat(Uint8Array.of(2, 32, 0, 254), hostUint32(7)));
  const attributes = attributesOf(request.payload, 8);
  assert.deepEqual([...attributes.keys()], [2, 1, 6, 8, 11]);
  assert.deepEqual(attributes.get(1), ipBytes(ipv4));
  assert.deepEqual(attributes.get(2), ipBytes(ipv4));
  assert.deepEqual(attributes.get(6), hostUint32(0, 3, 0, 0));
  assert.deepEqual(attributes.get(8), hostUint32(0x200));
  assert.deepEqual(attributes.get(11), Uint8Array.of(118));
});

test('an IPv6 address is not probed for duplicates', () => {
  const request = encodePutAddress({ ip: ipv6, prefixLength: 128, link: 7, lifetime: 'forever' });
  assert.deepEqual(request.payload.subarray(0, 8), concat(Uint8Array.of(10, 128, 0, 0), hostUint32(7)));
  const attributes = attributesOf(request.payload, 8);
  assert.deepEqual(attributes.get(6), hostUint32(0, 0xffffffff, 0, 0));
  assert.deepEqual(attributes.get(8), hostUint32(0x202));
});

test('lifetimes are whole seconds, never none, never so long that they mean forever', () => {
  for (const [lifetime, seconds] of [
    [1, 1],
    [999, 1],
    [1999, 1],
    [2000, 2],
    [1e15, 0xfffffffe],
  ] as const) {
    const { payload } = encodePutAddress({ ip: ipv4, prefixLength: 32, link: 1, lifetime: millis(lifetime) });
    assert.deepEqual(attributesOf(payload, 8).get(6), hostUint32(0, seconds, 0, 0));
  }
});

test('removing names address, prefix and interface', () => {
  const request = encodeRemoveAddress({ ip: ipv4, prefixLength: 32, link: 7 });
  assert.equal(request.type, 21);
  assert.deepEqual(request.payload.subarray(0, 8), concat(Uint8Array.of(2, 32, 0, 0), hostUint32(7)));
  assert.deepEqual(
    [...attributesOf(request.payload, 8)],
    [
      [2, ipBytes(ipv4)],
      [1, ipBytes(ipv4)],
    ],
  );
});

test('an address that the kernel reports', () => {
  const header = concat(Uint8Array.of(2, 24, 0x80, 0), hostUint32(3));
  const local = attribute(2, ipBytes('192.0.2.1' as Ip));
  const base = { ip: '192.0.2.1', prefixLength: 24, link: 3, lifetime: 'forever', deprecated: false };
  const peer = attribute(1, ipBytes('192.0.2.2' as Ip));
  const decode = (...attributes: readonly Uint8Array[]) => decodeAddress(concat(header, ...attributes));
  assert.deepEqual(decode(peer, local), { ok: true, value: { ...base, protocol: undefined } });
  const limited = attribute(6, hostUint32(0, 17, 0, 0));
  assert.deepEqual(decode(local, limited, attribute(11, Uint8Array.of(118))), {
    ok: true,
    value: { ...base, lifetime: 17_000, deprecated: true, protocol: 118 },
  });
  const deprecatedForever = decode(
    local,
    attribute(6, hostUint32(0xffffffff, 0xffffffff, 0, 0)),
    attribute(8, hostUint32(0xa0)),
  );
  assert.ok(deprecatedForever.ok);
  assert.equal(deprecatedForever.value.deprecated, true);
  assert.equal(deprecatedForever.value.lifetime, 'forever');
});

test('addresses that are none are refused', () => {
  const header = concat(Uint8Array.of(2, 24, 0, 0), hostUint32(3));
  for (const payload of [
    new Uint8Array(),
    header.subarray(0, 7),
    header,
    concat(header, attribute(1, ipBytes(ipv6))),
    concat(header, attribute(2, new Uint8Array(3))),
  ]) {
    assert.deepEqual(decodeAddress(payload), { ok: false, reason: 'address-message' });
  }
});

test('an interface that the kernel reports', () => {
  const header = (family: number, type: number, flags: number) =>
    concat(Uint8Array.of(family, 0), hostUint16(type), hostUint32(5, flags, 0));
  const name = attribute(3, text('eth0'));
  const mac = attribute(1, Uint8Array.of(2, 0, 0, 0, 0, 1));
  const eth0 = { index: 5, name: 'eth0', mac: '02:00:00:00:00:01', up: true };
  const decode = (...parts: readonly Uint8Array[]) => decodeLink(concat(...parts));
  assert.deepEqual(decode(header(0, 1, 0x11043), name, mac), { ok: true, value: eth0 });
  assert.deepEqual(decode(header(0, 1, 0x1003), name, mac), { ok: true, value: { ...eth0, up: false } });
  assert.deepEqual(decode(header(0, 1, 0x11042), name, mac), { ok: true, value: { ...eth0, up: false } });
  assert.deepEqual(decode(header(0, 772, 0x10049), name, mac), { ok: true, value: { ...eth0, mac: undefined } });
  assert.deepEqual(decode(header(7, 1, 0x11043), name, mac), { ok: false, reason: 'bridge-port' });
  assert.deepEqual(decode(header(0, 1, 0x11043), mac), { ok: false, reason: 'link-message' });
});

test('default routes of the main table, and nothing else', () => {
  const decode = (change: { length?: number; table?: number; type?: number }, ...attributes: readonly Uint8Array[]) => {
    const { length = 0, table = 254, type = 1 } = change;
    return decodeDefaultRoute(concat(Uint8Array.of(2, length, 0, 0, table, 3, 0, type, 0, 0, 0, 0), ...attributes));
  };
  const out = attribute(4, hostUint32(5));
  const metric = attribute(6, hostUint32(100));
  assert.deepEqual(decode({}, out, metric), { ok: true, value: { link: 5, metric: 100 } });
  assert.deepEqual(decode({}, out), { ok: true, value: { link: 5, metric: 0 } });
  const hop = (link: number) => concat(hostUint16(8), Uint8Array.of(0, 0), hostUint32(link));
  assert.deepEqual(decode({}, attribute(9, concat(hop(7), hop(8)))), { ok: true, value: { link: 7, metric: 0 } });
  assert.deepEqual(decode({ table: 0 }, out, attribute(15, hostUint32(254))), {
    ok: true,
    value: { link: 5, metric: 0 },
  });
  for (const other of [decode({ length: 24 }, out), decode({ table: 77 }, out), decode({ type: 6 }, out), decode({})]) {
    assert.deepEqual(other, { ok: false, reason: 'other-route' });
  }
});
