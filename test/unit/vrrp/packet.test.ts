import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Ip, ipFromBytes } from '../../../src/net/ip.js';
import { decodeIpPacket, encodeIpPacket, type IpPacket } from '../../../src/net/ip-packet.js';
import { type Millis, millis } from '../../../src/time/instant.js';
import { groupOf } from '../../../src/vrrp/config.js';
import {
  type Advertisement,
  type ChecksumForm,
  decodeAdvertisement,
  encodeAdvertisement,
  passwordBytes,
  vrrpProtocol,
} from '../../../src/vrrp/packet.js';

const none = { type: 0 } as const;
const pass = (text: string) => ({ type: 1, password: passwordBytes(text) }) as const;
const v2: Advertisement = {
  version: 2,
  virtualRouterId: 51,
  priority: 100,
  interval: millis(1000),
  auth: none,
  addresses: ['192.0.2.1' as Ip],
};
const v3: Advertisement = { ...v2, version: 3 };
const ipv4 = { source: '192.0.2.251' as Ip, destination: groupOf(4) };
const ipv6 = { source: 'fe80::fb' as Ip, destination: groupOf(6) };
const addresses6: readonly Ip[] = ['fe80::1' as Ip, '2001:db8::1' as Ip];

/** From the field: advertisement, path, checksum form, message. */
const golden: readonly (readonly [Advertisement, Pick<IpPacket, 'source' | 'destination'>, ChecksumForm, string])[] = [
  [v2, ipv4, 'keepalived', '213364010001b8c8c00002010000000000000000'],
  [{ ...v2, priority: 101, auth: pass('1111') }, ipv4, 'keepalived', '2133650101015466c00002013131313100000000'],
  [{ ...v2, priority: 0, auth: pass('42') }, ipv4, 'rfc9568', '213300010101e796c00002013432000000000000'],
  [v3, ipv4, 'keepalived', '31336401006404dbc0000201'],
  [v3, ipv4, 'rfc9568', '313364010064a865c0000201'],
  [v3, { ...ipv4, destination: '192.0.2.252' as Ip }, 'keepalived', '31336401006421f1c0000201'],
  [
    { ...v3, addresses: addresses6 },
    ipv6,
    'keepalived',
    '3133640200643f01fe80000000000000000000000000000120010db8000000000000000000000001',
  ],
];

const packetOf = (path: Pick<IpPacket, 'source' | 'destination'>, payload: Uint8Array): IpPacket => ({
  ...path,
  protocol: vrrpProtocol,
  hopLimit: 255,
  payload,
});

test('messages byte for byte, both ways', () => {
  for (const [advertisement, path, form, hex] of golden) {
    const message = encodeAdvertisement(advertisement, path, form);
    assert.equal(Buffer.from(message).toString('hex'), hex);
    const read = decodeAdvertisement(packetOf(path, message));
    const readForm = advertisement.version === 3 && path !== ipv6 ? form : undefined;
    assert.deepEqual(read, { ok: true, value: { ...advertisement, form: readForm } });
  }
});

test('a password is cut at eight bytes and filled up with zeros', () => {
  assert.deepEqual(passwordBytes('cluster_api_vip'), passwordBytes('cluster_'));
  assert.deepEqual(passwordBytes('42'), Uint8Array.of(0x34, 0x32, 0, 0, 0, 0, 0, 0));
  assert.equal(passwordBytes('ä'.repeat(8)).length, 8);
});

const ipv4Address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipFromBytes(bytes) as Ip);
const ipv6Address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ipFromBytes(bytes) as Ip);
const byte = fc.integer({ min: 0, max: 255 });

/** Whatever can be sent: an advertisement with its path and its checksum's form. */
const sendable = fc
  .constantFrom(
    { version: 2 as const, address: ipv4Address },
    { version: 3 as const, address: ipv4Address },
    { version: 3 as const, address: ipv6Address },
  )
  .chain(({ version, address }) =>
    fc.record({
      advertisement: fc.record({
        version: fc.constant(version),
        virtualRouterId: byte,
        priority: byte,
        interval: (version === 2
          ? byte.map((seconds) => seconds * 1000)
          : fc.integer({ min: 0, max: 4095 }).map((centis) => centis * 10)) as fc.Arbitrary<Millis>,
        auth: version === 2 ? fc.oneof(fc.constant(none), fc.string({ maxLength: 12 }).map(pass)) : fc.constant(none),
        addresses: fc.array(address, { maxLength: 255 }),
      }),
      path: fc.record({ source: address, destination: address }),
      form: fc.constantFrom<ChecksumForm>('keepalived', 'rfc9568'),
    }),
  );

test('what is encoded is read as it was, through a whole IP packet', () => {
  fc.assert(
    fc.property(sendable, ({ advertisement, path, form }) => {
      const payload = encodeAdvertisement(advertisement, path, form);
      const packet = decodeIpPacket(encodeIpPacket({ ...packetOf(path, payload), trafficClass: 0xc0 }));
      assert.ok(packet.ok);
      assert.deepEqual(packet.value, packetOf(path, payload));
      const read = decodeAdvertisement(packet.value);
      assert.ok(read.ok);
      const { form: _form, ...value } = read.value;
      assert.deepEqual(value, { ...advertisement });
    }),
  );
});

test('one changed bit is noticed, whichever it is', () => {
  fc.assert(
    fc.property(sendable, fc.nat(), ({ advertisement, path, form }, at) => {
      const payload = encodeAdvertisement(advertisement, path, form);
      const bit = at % (payload.length * 8);
      payload[bit >> 3] = (payload[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      const read = decodeAdvertisement(packetOf(path, payload));
      // The bit may be what the two forms differ by, once in some thousand packets.
      assert.ok(!read.ok || (read.value.form !== undefined && read.value.form !== form));
    }),
  );
});

test('bytes of any kind are read or refused, never thrown at', () => {
  const messages = golden.map(([, path, , hex]) => ({ path, bytes: Uint8Array.from(Buffer.from(hex, 'hex')) }));
  fc.assert(
    fc.property(
      fc.constantFrom(...messages),
      fc.uint8Array({ maxLength: 600 }),
      fc.boolean(),
      ({ path, bytes }, noise, keepHeader) => {
        const payload = keepHeader ? Uint8Array.of(...bytes.subarray(0, noise.length % 9), ...noise) : noise;
        const read = decodeAdvertisement(packetOf(path, payload));
        if (!read.ok) assert.ok(['length', 'version', 'type', 'checksum'].includes(read.reason));
        decodeIpPacket(payload);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a message is exactly as long as it says (RFC 9568 section 7.1)', () => {
  for (const [, path, , hex] of golden) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    for (const length of [0, 7, 8, bytes.length - 1]) {
      assert.deepEqual(decodeAdvertisement(packetOf(path, bytes.subarray(0, length))), { ok: false, reason: 'length' });
    }
    const padded = Uint8Array.of(...bytes, 0, 0, 0, 0);
    assert.deepEqual(decodeAdvertisement(packetOf(path, padded)), { ok: false, reason: 'length' });
  }
});

test('a packet is exactly as long as it says, and IPv4 options are passed over', () => {
  const payload = Uint8Array.of(1, 2, 3, 4);
  const plain = encodeIpPacket({ ...packetOf(ipv4, payload), trafficClass: 0xc0 });
  for (const length of [0, 1, 19, 23]) assert.equal(decodeIpPacket(plain.subarray(0, length)).ok, false);
  // Router alert (RFC 2113).
  const optional = Uint8Array.of(...plain.subarray(0, 20), 0x94, 4, 0, 0, ...payload);
  optional[0] = 0x46;
  optional[3] = 28;
  assert.deepEqual(decodeIpPacket(optional), { ok: true, value: packetOf(ipv4, payload) });
  optional[0] = 0x44;
  assert.equal(decodeIpPacket(optional).ok, false);
});
