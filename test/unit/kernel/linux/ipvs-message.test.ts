import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeFamilyId,
  decodeGeneric,
  encodeFindFamily,
} from '../../../../src/kernel/linux/generic-netlink-message.js';
import {
  decodeDestination,
  decodeInfo,
  decodeService,
  decodeServiceName,
  describe,
  encodeCommand,
  encodeGetService,
  encodeListDestinations,
  encodeListServices,
} from '../../../../src/kernel/linux/ipvs-message.js';
import {
  type Attributes,
  attribute,
  concat,
  decodeAttributes,
  hostUint16,
  hostUint32,
  nested,
  networkUint16,
  text,
} from '../../../../src/kernel/linux/netlink-message.js';
import type { IpvsCommand } from '../../../../src/kernel/ports.js';
import { type Ip, ipBytes } from '../../../../src/net/ip.js';

const family = { id: 33, version: 1 };
const service = { ip: '192.0.2.100' as Ip, port: 6443 };
const service6 = { ip: '2001:db8::100' as Ip, port: 6443 };
const destination = { ip: '192.0.2.1' as Ip, port: 8443, weight: 3 };
const union = (ip: string) => concat(ipBytes(ip as Ip), new Uint8Array(16 - ipBytes(ip as Ip).length));
const hostUint64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);

function attributesIn(bytes: Uint8Array | undefined): Attributes {
  const attributes = decodeAttributes(bytes ?? new Uint8Array());
  assert.ok(attributes.ok);
  return attributes.value;
}

/** Command, and the attributes of the service and of the destination in it. */
function open(payload: Uint8Array) {
  const top = decodeGeneric(payload);
  assert.ok(top !== undefined);
  assert.deepEqual(payload.subarray(1, 4), Uint8Array.of(1, 0, 0));
  return { command: payload[0], service: attributesIn(top.get(1)), destination: attributesIn(top.get(2)) };
}

test('a family is asked for by name and told by number', () => {
  const request = encodeFindFamily('IPVS');
  assert.equal(request.type, 16);
  assert.equal(Buffer.from(request.payload).toString('hex'), '03010000' + '09000200' + '4950565300000000');
  const answer = concat(Uint8Array.of(1, 2, 0, 0), attribute(2, text('IPVS')), attribute(1, hostUint16(33)));
  assert.deepEqual(decodeFamilyId(answer), { ok: true, value: 33 });
  for (const lie of [answer.subarray(0, 3), answer.subarray(0, 16), new Uint8Array()]) {
    assert.deepEqual(decodeFamilyId(lie), { ok: false, reason: 'family-message' });
  }
});

test('a new service has all that the kernel demands: scheduler, no flags, no persistence', () => {
  for (const { name, address, family: af, netmask } of [
    { name: service, address: '192.0.2.100', family: 2, netmask: 0xffffffff },
    { name: service6, address: '2001:db8::100', family: 10, netmask: 128 },
  ]) {
    const request = encodeCommand(family, { kind: 'add-service', service: name, scheduler: 'rr' });
    assert.equal(request.type, 33);
    assert.equal(request.flags, 4);
    const opened = open(request.payload);
    assert.equal(opened.command, 1);
    assert.deepEqual(
      [...opened.service],
      [
        [1, hostUint16(af)],
        [2, hostUint16(6)],
        [3, union(address)],
        [4, Uint8Array.of(0x19, 0x2b)],
        [6, text('rr')],
        [7, hostUint32(0, 0xffffffff)],
        [8, hostUint32(0)],
        [9, hostUint32(netmask)],
      ],
    );
  }
});

test('a new destination is reached by masquerading, has a weight and no thresholds', () => {
  const opened = open(encodeCommand(family, { kind: 'add-destination', service, destination }).payload);
  assert.equal(opened.command, 5);
  assert.deepEqual([...opened.service.keys()], [1, 2, 3, 4]);
  assert.deepEqual(
    [...opened.destination],
    [
      [1, union('192.0.2.1')],
      [2, Uint8Array.of(0x20, 0xfb)],
      [11, hostUint16(2)],
      [3, hostUint32(0)],
      [4, hostUint32(3)],
      [5, hostUint32(0)],
      [6, hostUint32(0)],
    ],
  );
});

test('removing and reading name no more than which', () => {
  const gone = open(encodeCommand(family, { kind: 'remove-destination', service: service6, destination }).payload);
  assert.deepEqual(
    [gone.command, [...gone.service.keys()], [...gone.destination.keys()]],
    [7, [1, 2, 3, 4], [1, 2, 11]],
  );
  const removed = open(encodeCommand(family, { kind: 'remove-service', service }).payload);
  assert.deepEqual([removed.command, [...removed.service.keys()]], [3, [1, 2, 3, 4]]);
  const read = encodeGetService(family, service);
  assert.deepEqual([read.flags, open(read.payload).command], [4, 4]);
  const listed = encodeListDestinations(family, service);
  assert.deepEqual([listed.flags, open(listed.payload).command], [0x300, 8]);
  assert.deepEqual(encodeListServices(family).payload, Uint8Array.of(4, 1, 0, 0));
});

test('a command is told as an operator would read it', () => {
  const commands: readonly IpvsCommand[] = [
    { kind: 'add-service', service: service6, scheduler: 'lc' },
    { kind: 'update-destination', service, destination },
    { kind: 'remove-service', service },
  ];
  assert.deepEqual(commands.map(describe), [
    'add IPVS service [2001:db8::100]:6443 lc',
    'update IPVS destination 192.0.2.100:6443 → 192.0.2.1:8443',
    'remove IPVS service 192.0.2.100:6443',
  ]);
});

const header = Uint8Array.of(1, 1, 0, 0);
const counters64 = (type: number) =>
  nested(type, ...[1, 2, 3, 4, 5].map((n) => attribute(n, hostUint64(BigInt(n) << 32n))));
const counters32 = (type: number) =>
  nested(
    type,
    ...[1, 2, 3].map((n) => attribute(n, hostUint32(n))),
    ...[4, 5].map((n) => attribute(n, hostUint64(BigInt(n) << 32n))),
  );
const serviceAttributes = (protocol: number) => [
  attribute(1, hostUint16(2)),
  attribute(2, hostUint16(protocol)),
  attribute(3, union('192.0.2.100')),
  attribute(4, networkUint16(6443)),
];
const listedService = (...attributes: readonly Uint8Array[]) => concat(header, nested(1, ...attributes));

test('a service that the kernel reports, with counters of 64 or else of 32 bits', () => {
  const base = [...serviceAttributes(6), attribute(6, text('rr')), attribute(7, hostUint32(2, 0xffffffff))];
  const read = decodeService(listedService(...base, counters32(10), counters64(12)));
  const [connections, packetsFromClient, packetsToClient, bytesFromClient, bytesToClient] = [
    1n << 32n,
    2n << 32n,
    3n << 32n,
    4n << 32n,
    5n << 32n,
  ];
  const counters = { connections, packetsFromClient, packetsToClient, bytesFromClient, bytesToClient };
  assert.deepEqual(read, { ok: true, value: { ...service, scheduler: 'rr', plain: true, counters } });
  const old = decodeService(listedService(...base, counters32(10)));
  const narrow = { ...counters, connections: 1n, packetsFromClient: 2n, packetsToClient: 3n };
  assert.deepEqual(old, { ok: true, value: { ...service, scheduler: 'rr', plain: true, counters: narrow } });
  const persistent = decodeService(listedService(...base, attribute(7, hostUint32(3, 0xffffffff))));
  const engine = decodeService(listedService(...base, attribute(11, text('sip'))));
  assert.deepEqual([persistent.ok && persistent.value.plain, engine.ok && engine.value.plain], [false, false]);
});

test('a destination that the kernel reports', () => {
  const attributes = [
    attribute(1, union('192.0.2.1')),
    attribute(2, networkUint16(8443)),
    attribute(3, hostUint32(0)),
    attribute(4, hostUint32(3)),
    attribute(7, hostUint32(11)),
    attribute(8, hostUint32(12)),
    counters64(12),
  ];
  const decode = (...more: readonly Uint8Array[]) =>
    decodeDestination(concat(header, nested(2, ...attributes, ...more)), 4);
  const read = decode();
  assert.ok(read.ok);
  const { counters, ...rest } = read.value;
  assert.deepEqual(rest, { ...destination, plain: true, active: 11, inactive: 12 });
  assert.equal(counters.bytesToClient, 5n << 32n);
  // Local node, tunnel, direct routing, thresholds; a bit beyond the method's is the kernel's own.
  for (const [type, value, plain] of [
    [3, 1, false],
    [3, 2, false],
    [3, 3, false],
    [3, 0x100, true],
    [5, 10, false],
    [6, 5, false],
  ] as const) {
    const other = decode(attribute(type, hostUint32(value)));
    assert.equal(other.ok && other.value.plain, plain);
  }
  const mixed = decode(attribute(11, hostUint16(10)), attribute(1, union('2001:db8::1')));
  assert.equal(mixed.ok && mixed.value.ip, '2001:db8::1');
});

test('other services have names too', () => {
  const mark = decodeServiceName(listedService(attribute(1, hostUint16(2)), attribute(5, hostUint32(6443))));
  assert.deepEqual(mark, { ok: true, value: { kind: 'mark', mark: 6443 } });
  for (const [number, protocol] of [
    [6, 'tcp'],
    [17, 'udp'],
    [132, 'sctp'],
    [99, 'other'],
  ] as const) {
    const name = decodeServiceName(listedService(...serviceAttributes(number)));
    assert.deepEqual(name, { ok: true, value: { kind: 'address', protocol, ...service } });
    assert.equal(decodeService(listedService(...serviceAttributes(number))).ok, protocol === 'tcp');
  }
  for (const without of [0, 1, 2, 3]) {
    const attributes = serviceAttributes(6).filter((_, index) => index !== without);
    assert.deepEqual(decodeServiceName(listedService(...attributes)), { ok: false, reason: 'service-message' });
  }
});

test('the version of the kernel’s IPVS', () => {
  assert.deepEqual(decodeInfo(concat(header, attribute(1, hostUint32(0x010201)))), { ok: true, value: '1.2.1' });
  assert.deepEqual(decodeInfo(header), { ok: false, reason: 'info-message' });
});

const decoders: readonly ((bytes: Uint8Array) => unknown)[] = [
  decodeFamilyId,
  decodeInfo,
  decodeServiceName,
  decodeService,
  (bytes) => decodeDestination(bytes, 4),
  (bytes) => decodeDestination(bytes, 6),
];

test('no bytes make a decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 7 }), (bytes, offset) => {
      for (const decode of decoders) decode(bytes.subarray(offset));
    }),
  );
});

test('no attributes, and no lies in them, make a decoder throw', () => {
  const entry = fc.tuple(fc.integer({ min: 0, max: 13 }), fc.uint8Array({ maxLength: 20 }));
  const nest = fc.tuple(fc.integer({ min: 0, max: 13 }), fc.array(entry));
  const lie = fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.constantFrom(1, 2), fc.array(entry), fc.array(nest), fc.array(lie), (type, entries, nests, lies) => {
      const flat = entries.map(([number, payload]) => attribute(number, payload));
      const deep = nests.map(([number, inner]) =>
        nested(number, ...inner.map(([n, payload]) => attribute(n, payload))),
      );
      const bytes = concat(header, nested(type, ...flat, ...deep));
      for (const [at, value] of lies) if (at < bytes.length) bytes[at] = value;
      for (const decode of decoders) decode(bytes);
    }),
  );
});
