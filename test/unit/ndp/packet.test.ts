import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { announcementFrame, hear, probeFrame } from '../../../src/ndp/announcement.js';
import { decodeNdp, encodeNdp, type NdpPacket, type NdpRefusal } from '../../../src/ndp/packet.js';
import { writeUint16 } from '../../../src/net/bytes.js';
import { internetChecksum } from '../../../src/net/checksum.js';
import { decodeEthernet } from '../../../src/net/ethernet.js';
import { type Ip, ipBytes, ipFromBytes } from '../../../src/net/ip.js';
import { allNodes, solicitedNodeGroup } from '../../../src/net/ipv6.js';
import { type Mac, macFromBytes } from '../../../src/net/mac.js';

const vip = '2001:db8::100' as Ip;
const theirIp = '2001:db8::7' as Ip;
const ours = '02:00:00:00:00:01' as Mac;
const theirs = '02:00:00:00:00:02' as Mac;
const unspecified = '::' as Ip;

const anyIp = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ipFromBytes(bytes) as Ip);
const unicast = anyIp.filter((ip) => ip !== unspecified && ipBytes(ip)[0] !== 0xff);
const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes) as Mac);
const addresses = {
  source: unicast,
  destination: unicast,
  target: unicast,
  linkLayerAddress: fc.option(anyMac, { nil: undefined }),
};
const anyPacket: fc.Arbitrary<NdpPacket> = fc.oneof(
  fc.record({ kind: fc.constant('solicitation' as const), ...addresses }, { noNullPrototype: true }),
  fc.record(
    {
      kind: fc.constant('advertisement' as const),
      ...addresses,
      router: fc.boolean(),
      solicited: fc.boolean(),
      override: fc.boolean(),
    },
    { noNullPrototype: true },
  ),
);
const refusals: readonly NdpRefusal[] = [
  'packet-too-short',
  'not-icmpv6',
  'wrong-hop-limit',
  'wrong-checksum',
  'unknown-type',
  'unknown-code',
  'multicast-target',
  'malformed-options',
  'wrong-for-unspecified-source',
  'solicited-by-multicast',
];

const advertisement: NdpPacket = {
  kind: 'advertisement',
  source: vip,
  destination: allNodes,
  target: vip,
  router: false,
  solicited: false,
  override: true,
  linkLayerAddress: theirs,
};
const solicitation: NdpPacket = {
  kind: 'solicitation',
  source: unspecified,
  destination: solicitedNodeGroup(vip),
  target: vip,
  linkLayerAddress: undefined,
};

/** The packet with a checksum that is right for what it now has. */
function sealed(packet: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(packet);
  const message = bytes.subarray(40);
  writeUint16(bytes, 4, message.length);
  writeUint16(message, 2, 0);
  const pseudo = Uint8Array.of(0, 0, message.length >> 8, message.length & 0xff, 0, 0, 0, 58);
  writeUint16(message, 2, internetChecksum(bytes.subarray(8, 40), pseudo, message));
  return bytes;
}

function reasonOf(bytes: Uint8Array): string {
  const packet = decodeNdp(bytes);
  return packet.ok ? 'ok' : packet.reason;
}

/** The message in a frame whose Ethernet header is that of an IPv6 multicast. */
function payloadOf(frame: Uint8Array, destination: string): NdpPacket {
  const ethernet = decodeEthernet(frame);
  assert.ok(ethernet.ok && ethernet.value.etherType === 0x86dd);
  assert.deepEqual([ethernet.value.destination, ethernet.value.source], [destination, ours]);
  const packet = decodeNdp(ethernet.value.payload);
  assert.ok(packet.ok);
  return packet.value;
}

/** The packet in a frame from the given host. */
function frameOf(packet: NdpPacket, source: Mac = theirs): Uint8Array {
  const header = [0x33, 0x33, 0, 0, 0, 1, ...source.split(':').map((pair) => Number.parseInt(pair, 16)), 0x86, 0xdd];
  return Uint8Array.of(...header, ...encodeNdp(packet));
}

test('a message reads back as written, padding or not', () => {
  fc.assert(
    fc.property(anyPacket, fc.uint8Array({ maxLength: 18 }), (packet, padding) => {
      assert.deepEqual(decodeNdp(Uint8Array.of(...encodeNdp(packet), ...padding)), { ok: true, value: packet });
    }),
  );
});

test('what Linux asks and answers in duplicate address detection is read', () => {
  // Linux 6.18, captured: with a nonce (RFC 7527), and the answer of the host that has the address.
  const asked =
    '6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff000100' +
    '8700885a0000000020010db80000000000000000000001000e010d9d28537e9b';
  const answered =
    '6000000000203aff20010db8000000000000000000000100ff020000000000000000000000000001' +
    '8800f72b2000000020010db80000000000000000000001000201020000000002';
  assert.deepEqual(decodeNdp(Buffer.from(asked, 'hex')), { ok: true, value: solicitation });
  assert.deepEqual(decodeNdp(Buffer.from(answered, 'hex')), { ok: true, value: advertisement });
  assert.equal(Buffer.from(encodeNdp(advertisement)).toString('hex'), answered);
});

test('hostile bytes are refused by name and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const reason = reasonOf(bytes);
      assert.ok(reason === 'ok' || (refusals as readonly string[]).includes(reason));
      hear(bytes, [vip], ours);
    }),
  );
});

test('messages with damaged bytes and a checksum that fits are read or refused, and never throw', () => {
  const position = fc.nat({ max: 71 });
  const damage = fc.array(fc.tuple(position, fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyPacket, damage, fc.uint8Array({ maxLength: 40 }), (packet, changes, options) => {
      const bytes = Uint8Array.of(...encodeNdp(packet), ...options);
      for (const [at, value] of changes) bytes[at] = value;
      const reason = reasonOf(sealed(bytes));
      assert.ok(reason === 'ok' || (refusals as readonly string[]).includes(reason));
      hear(Uint8Array.of(...new Uint8Array(14), ...sealed(bytes)), [packet.target], ours);
    }),
    { numRuns: 1000 },
  );
});

test('one flipped bit is never taken for a message', () => {
  for (const packet of [encodeNdp(advertisement), encodeNdp(solicitation)]) {
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const flipped = packet.with(bit >> 3, (packet[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
      // The traffic class and the flow label are nobody's business, and the checksum does not cover them.
      const matters = bit >> 3 === 0 ? (bit & 7) >= 4 : bit >> 3 > 3;
      assert.equal(reasonOf(flipped) !== 'ok', matters, `bit ${bit}`);
    }
  }
});

test('RFC 4861 7.1.1 and 7.1.2: what makes a message invalid', () => {
  const good = encodeNdp(advertisement);
  const probe = encodeNdp(solicitation);
  const withOption = (...option: number[]) => sealed(Uint8Array.of(...good, ...option));
  const cases: readonly (readonly [NdpRefusal | 'ok', Uint8Array])[] = [
    ['ok', good],
    ['ok', probe],
    ['packet-too-short', good.subarray(0, 71)],
    ['packet-too-short', sealed(good.subarray(0, 63))],
    ['packet-too-short', good.with(5, 33)],
    ['packet-too-short', new Uint8Array(0)],
    ['not-icmpv6', good.with(0, 0x40)],
    ['not-icmpv6', good.with(6, 44)],
    ['wrong-hop-limit', good.with(7, 254)],
    ['wrong-hop-limit', good.with(7, 64)],
    ['wrong-checksum', good.with(43, (good[43] ?? 0) ^ 1)],
    ['unknown-type', sealed(good.with(40, 134))],
    ['unknown-code', sealed(good.with(41, 1))],
    ['multicast-target', sealed(good.with(48, 0xff))],
    ['malformed-options', withOption(14, 0, 0, 0, 0, 0, 0, 0)],
    ['malformed-options', withOption(14)],
    ['malformed-options', withOption(14, 2, 0, 0, 0, 0, 0, 0)],
    ['malformed-options', withOption(2, 2, ...new Array<number>(14).fill(0))],
    ['ok', withOption(14, 1, 1, 2, 3, 4, 5, 6)],
    ['solicited-by-multicast', sealed(good.with(44, 0x60))],
    ['wrong-for-unspecified-source', sealed(probe.with(39, 1))],
    ['wrong-for-unspecified-source', sealed(Uint8Array.of(...probe, 1, 1, 2, 0, 0, 0, 0, 9))],
  ];
  for (const [reason, bytes] of cases) assert.equal(reasonOf(bytes), reason, Buffer.from(bytes).toString('hex'));
});

test('of two link-layer addresses the first counts; one of the other kind is passed over', () => {
  const bytes = (...options: number[]) => decodeNdp(sealed(Uint8Array.of(...encodeNdp(advertisement), ...options)));
  const second = bytes(2, 1, 2, 0, 0, 0, 0, 9);
  assert.ok(second.ok && second.value.linkLayerAddress === theirs);
  const bare = encodeNdp({ ...advertisement, linkLayerAddress: undefined });
  const other = decodeNdp(sealed(Uint8Array.of(...bare, 1, 1, 2, 0, 0, 0, 0, 9)));
  assert.ok(other.ok && other.value.linkLayerAddress === undefined);
});

test('RFC 4861 7.2.6: an announcement goes to all nodes from the VIP itself, unsolicited, and overrides', () => {
  assert.deepEqual(payloadOf(announcementFrame(vip, ours), '33:33:00:00:00:01'), {
    ...advertisement,
    linkLayerAddress: ours,
  });
});

test('RFC 4862 5.4.2: a probe goes from nobody to the group of the address and teaches nobody', () => {
  assert.deepEqual(payloadOf(probeFrame(vip, ours), '33:33:ff:00:01:00'), solicitation);
});

test('claims and probes of others are heard', () => {
  const claim = { kind: 'claim', ip: vip, mac: theirs };
  assert.deepEqual(hear(announcementFrame(vip, theirs), [theirIp, vip], ours), claim);
  assert.deepEqual(hear(probeFrame(vip, theirs), [vip], ours), { kind: 'probe', ip: vip, mac: theirs });
  // A kernel's answer to a probe: from its own address, to all nodes.
  assert.deepEqual(hear(frameOf({ ...advertisement, source: theirIp }), [vip], ours), claim);
  // Somebody who uses the address asks for another's.
  const asks: NdpPacket = { ...solicitation, source: vip, target: theirIp, linkLayerAddress: theirs };
  assert.deepEqual(hear(frameOf(asks), [vip], ours), claim);
});

test('who claims is the link-layer address that is offered, else who sent the frame', () => {
  const router = '02:00:00:00:00:03' as Mac;
  const offered = hear(frameOf(advertisement, router), [vip], ours);
  assert.equal(offered?.mac, theirs);
  const silent = hear(frameOf({ ...advertisement, linkLayerAddress: undefined }, router), [vip], ours);
  assert.equal(silent?.mac, router);
  assert.equal(hear(frameOf({ ...advertisement, linkLayerAddress: ours }, router), [vip], ours), undefined);
});

test('our own frames that come back, other addresses and questions to us are nothing', () => {
  assert.equal(hear(announcementFrame(vip, ours), [vip], ours), undefined);
  assert.equal(hear(probeFrame(vip, ours), [vip], ours), undefined);
  assert.equal(hear(announcementFrame(theirIp, theirs), [vip], ours), undefined);
  const question: NdpPacket = { ...solicitation, source: theirIp, linkLayerAddress: theirs };
  assert.equal(hear(frameOf(question), [vip], ours), undefined);
});
