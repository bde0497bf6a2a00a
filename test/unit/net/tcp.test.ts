import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { internetChecksum } from '../../../src/net/checksum.js';
import type { Ip } from '../../../src/net/ip.js';
import { encodeTcpAcknowledgement } from '../../../src/net/tcp.js';

const ends = {
  4: { source: { ip: '192.0.2.100' as Ip, port: 6443 }, destination: { ip: '198.51.100.9' as Ip, port: 40000 } },
  6: { source: { ip: '2001:db8::100' as Ip, port: 6443 }, destination: { ip: '2001:db8:1::9' as Ip, port: 40000 } },
} as const;
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

test('the checksum is the example’s (RFC 1071 section 3)', () => {
  assert.equal(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), 0xffff ^ 0xddf2);
  assert.equal(internetChecksum(Uint8Array.of(0x00, 0x01), Uint8Array.of(0xf2, 0x03, 0xf4)), 0xffff ^ 0xe605);
});

test('an acknowledgement, byte for byte', () => {
  const hex = (family: 4 | 6, timestamp?: number, hasByte = false) =>
    Buffer.from(
      encodeTcpAcknowledgement({ ...ends[family], sequence: 1, acknowledged: 0xfffffffe, timestamp, hasByte }),
    ).toString('hex');
  const tcp = (length: string, checksum: string) => `192b9c4000000001fffffffe${length}10ffff${checksum}0000`;
  assert.match(hex(4), new RegExp(`^45000028000040004006....c0000264c6336409${tcp('50', '....')}$`));
  assert.match(hex(4, undefined, true), new RegExp(`^45000029000040004006....c0000264c6336409${tcp('50', '....')}00$`));
  assert.match(
    hex(6, 7),
    new RegExp(
      `^600000000020064020010db8${'0'.repeat(20)}010020010db80001${'0'.repeat(18)}09${tcp('80', '....')}0101080a0000000700000000$`,
    ),
  );
});

test('both checksums hold for every packet', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4, 6),
      uint32,
      uint32,
      fc.option(uint32, { nil: undefined }),
      fc.boolean(),
      (family, sequence, acknowledged, timestamp, hasByte) => {
        const segment = { ...ends[family], sequence, acknowledged, timestamp, hasByte };
        const packet = encodeTcpAcknowledgement(segment);
        const [start, addresses] = family === 4 ? [20, packet.subarray(12, 20)] : [40, packet.subarray(8, 40)];
        const tcp = packet.subarray(start);
        if (family === 4) assert.equal(internetChecksum(packet.subarray(0, start)), 0);
        assert.equal(internetChecksum(addresses, Uint8Array.of(0, 6, 0, tcp.length), tcp), 0);
      },
    ),
  );
});
