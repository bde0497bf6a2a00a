import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { announcementFrame, hear, probeFrame } from '../../../src/arp/announcement.js';
import { type ArpPacket, decodeArp, encodeArp } from '../../../src/arp/packet.js';
import { decodeEthernet } from '../../../src/net/ethernet.js';
import { type Ip, ipFromBytes } from '../../../src/net/ip.js';
import { type Mac, macFromBytes } from '../../../src/net/mac.js';

const vip = '10.77.0.100' as Ip;
const ours = '02:00:00:00:00:01' as Mac;
const theirs = '02:00:00:00:00:02' as Mac;
const anyIp = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipFromBytes(bytes) as Ip);
const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes) as Mac);
const anyPacket: fc.Arbitrary<ArpPacket> = fc.record(
  {
    operation: fc.constantFrom('request', 'reply'),
    senderMac: anyMac,
    senderIp: anyIp,
    targetMac: anyMac,
    targetIp: anyIp,
  },
  { noNullPrototype: true },
);

function payloadOf(frame: Uint8Array): ArpPacket {
  const ethernet = decodeEthernet(frame);
  assert.ok(ethernet.ok && ethernet.value.destination === 'ff:ff:ff:ff:ff:ff' && ethernet.value.etherType === 0x0806);
  const packet = decodeArp(ethernet.value.payload);
  assert.ok(packet.ok);
  return packet.value;
}

test('an ARP packet reads back as written, padding or not', () => {
  fc.assert(
    fc.property(anyPacket, fc.uint8Array({ maxLength: 18 }), (packet, padding) => {
      assert.deepEqual(decodeArp(Uint8Array.from([...encodeArp(packet), ...padding])), { ok: true, value: packet });
    }),
  );
});

test('hostile bytes are refused by name and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const packet = decodeArp(bytes);
      if (!packet.ok) assert.ok(['packet-too-short', 'not-ethernet-ipv4', 'unknown-operation'].includes(packet.reason));
      hear(bytes, [vip], ours);
    }),
  );
  const good = encodeArp({ operation: 'reply', senderMac: ours, senderIp: vip, targetMac: theirs, targetIp: vip });
  assert.deepEqual(decodeArp(good.subarray(0, 27)), { ok: false, reason: 'packet-too-short' });
  assert.deepEqual(decodeArp(good.with(5, 16)), { ok: false, reason: 'not-ethernet-ipv4' });
  assert.deepEqual(decodeArp(good.with(7, 9)), { ok: false, reason: 'unknown-operation' });
});

test('RFC 5227 1.1: an announcement as request has our address as sender and as target', () => {
  assert.deepEqual(payloadOf(announcementFrame('request', vip, ours)), {
    operation: 'request',
    senderMac: ours,
    senderIp: vip,
    targetMac: '00:00:00:00:00:00',
    targetIp: vip,
  });
  assert.equal(payloadOf(announcementFrame('reply', vip, ours)).operation, 'reply');
});

test('RFC 5227 2.1.1: a probe has no sender address and a target hardware address of zero', () => {
  const probe = payloadOf(probeFrame(vip, ours));
  assert.deepEqual([probe.operation, probe.senderIp, probe.targetMac], ['request', '0.0.0.0', '00:00:00:00:00:00']);
});

test('claims and probes of others are heard; our own and other addresses are not', () => {
  for (const form of ['request', 'reply'] as const) {
    assert.deepEqual(hear(announcementFrame(form, vip, theirs), [vip], ours), { kind: 'claim', ip: vip, mac: theirs });
    assert.equal(hear(announcementFrame(form, vip, ours), [vip], ours), undefined);
    assert.equal(hear(announcementFrame(form, '10.77.0.7' as Ip, theirs), [vip], ours), undefined);
  }
  assert.deepEqual(hear(probeFrame(vip, theirs), [vip], ours), { kind: 'probe', ip: vip, mac: theirs });
  assert.equal(hear(probeFrame(vip, ours), [vip], ours), undefined);
});
