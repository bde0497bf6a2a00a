import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  attribute,
  concat,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  errorCode,
  hostUint32,
  nested,
} from '../../../../src/kernel/linux/netlink-message.js';
import { decodeAddress, decodeDefaultRoute, decodeLink } from '../../../../src/kernel/linux/rtnetlink-message.js';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

test('messages of one datagram are read back as they were written', () => {
  const message = fc.record(
    { type: uint16, flags: uint16, sequence: uint32, payload: fc.uint8Array({ maxLength: 50 }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(message), (messages) => {
      const result = decodeMessages(concat(...messages.map(encodeMessage)));
      assert.ok(result.ok);
      assert.deepEqual(result.value, messages);
    }),
  );
});

test('attributes are read back by type, nested or not', () => {
  const given = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 20 })), {
    selector: ([type]) => type,
  });
  fc.assert(
    fc.property(given, (entries) => {
      const flat = concat(...entries.map(([type, payload]) => attribute(type, payload)));
      const outer = decodeAttributes(concat(attribute(1, Uint8Array.of(1)), nested(2, flat)));
      assert.ok(outer.ok);
      const inner = decodeAttributes(outer.value.get(2) ?? new Uint8Array());
      assert.ok(inner.ok);
      assert.deepEqual([...inner.value], entries);
    }),
  );
});

test('no bytes make a decoder throw', () => {
  const decoders = [decodeMessages, decodeAttributes, decodeAddress, decodeLink, decodeDefaultRoute, errorCode];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 7 }), (bytes, offset) => {
      for (const decode of decoders) decode(bytes.subarray(offset));
    }),
  );
});

test('no change to a header or an attribute makes a decoder throw', () => {
  const header = fc.uint8Array({ minLength: 8, maxLength: 16 });
  const entry = fc.tuple(fc.integer({ min: 0, max: 16 }), fc.uint8Array({ maxLength: 20 }));
  const lie = fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(header, fc.array(entry), fc.array(lie), (start, entries, lies) => {
      const bytes = concat(start, ...entries.map(([type, payload]) => attribute(type, payload)));
      for (const [at, value] of lies) if (at < bytes.length) bytes[at] = value;
      for (const decode of [decodeAddress, decodeLink, decodeDefaultRoute]) decode(bytes);
    }),
  );
});

test('lengths that lie are refused', () => {
  const good = encodeMessage({ type: 1, flags: 0, sequence: 1, payload: Uint8Array.of(1, 2, 3, 4) });
  for (const length of [0, 15, 21, 0xffffffff]) {
    const bytes = concat(hostUint32(length), good.subarray(4));
    assert.deepEqual(decodeMessages(bytes), { ok: false, reason: 'message-length' });
  }
  assert.deepEqual(decodeMessages(good.subarray(0, 12)), { ok: false, reason: 'message-length' });
  for (const length of [0, 3, 9, 0xffff]) {
    const bytes = attribute(1, Uint8Array.of(1, 2, 3, 4));
    bytes.set(endianness() === 'LE' ? [length & 0xff, length >> 8] : [length >> 8, length & 0xff]);
    assert.deepEqual(decodeAttributes(bytes), { ok: false, reason: 'attribute-length' });
  }
});

test('errors have the names of the C library', () => {
  const payload = (error: number) => concat(hostUint32(error >>> 0), new Uint8Array(16));
  assert.equal(errorCode(payload(0)), undefined);
  assert.equal(errorCode(payload(-1)), 'EPERM');
  assert.equal(errorCode(payload(-99)), 'EADDRNOTAVAIL');
  assert.equal(errorCode(payload(-95)), 'ENOTSUP');
  assert.equal(errorCode(new Uint8Array(3)), undefined);
});
