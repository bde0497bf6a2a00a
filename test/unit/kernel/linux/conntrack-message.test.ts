import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeFlow,
  encodeDeleteFlows,
  encodeListFlows,
  flowsOf,
  nameOfFlow,
  nameOfListed,
} from '../../../../src/kernel/linux/conntrack-message.js';
import { attribute, concat, nested } from '../../../../src/kernel/linux/netlink-message.js';
import type { Flow } from '../../../../src/kernel/ports.js';
import { type Ip, ipBytes } from '../../../../src/net/ip.js';

const listed = (payload: Uint8Array) => ({ type: 1 << 8, flags: 0, sequence: 1, payload });
const port = (number: number) => Uint8Array.of(number >> 8, number & 0xff);

function tuple(
  type: number,
  [source, sourcePort]: [string, number],
  [destination, toPort]: [string, number],
  protocol = 6,
) {
  const first = source.includes(':') ? 3 : 1;
  return nested(
    type,
    nested(1, attribute(first, ipBytes(source as Ip)), attribute(first + 1, ipBytes(destination as Ip))),
    nested(2, attribute(1, Uint8Array.of(protocol)), attribute(2, port(sourcePort)), attribute(3, port(toPort))),
  );
}

const entry = (state: number, protocol = 6) =>
  concat(
    Uint8Array.of(2, 0, 0, 0),
    tuple(1, ['198.51.100.9', 40000], ['192.0.2.100', 6443], protocol),
    tuple(2, ['192.0.2.2', 6443], ['192.0.2.1', 50000], protocol),
    nested(4, nested(1, attribute(1, Uint8Array.of(state)))),
    attribute(12, Uint8Array.of(1, 2, 3, 4)),
  );

test('an entry that the kernel lists', () => {
  const flow = decodeFlow(listed(entry(3)));
  assert.ok(flow.ok);
  const { identity, ...rest } = flow.value;
  assert.deepEqual(rest, {
    client: { ip: '198.51.100.9', port: 40000 },
    service: { ip: '192.0.2.100', port: 6443 },
    backend: { ip: '192.0.2.2', port: 6443 },
    answersTo: { ip: '192.0.2.1', port: 50000 },
    phase: 'open',
  });
  assert.deepEqual(
    identity,
    concat(tuple(1, ['198.51.100.9', 40000], ['192.0.2.100', 6443]), attribute(12, Uint8Array.of(1, 2, 3, 4))),
  );
});

test('what a connection’s state means', () => {
  const phaseOf = (state: number) => {
    const flow = decodeFlow(listed(entry(state)));
    return flow.ok ? flow.value.phase : flow.reason;
  };
  const phases = ['over', 'opening', 'opening', 'open', 'open', 'open', 'over', 'over', 'over', 'opening', 'over'];
  assert.deepEqual(
    phases.map((_, state) => phaseOf(state)),
    phases,
  );
});

test('the entries of a service, and of a backend, are told from others without decoding them', () => {
  const at = (ip: string, port: number) => ({ ip: ip as Ip, port });
  const service = at('192.0.2.100', 6443);
  const backend = at('192.0.2.2', 6443);
  const six = concat(
    Uint8Array.of(10, 0, 0, 0),
    tuple(1, ['2001:db8:1::9', 40000], ['2001:db8::100', 6443]),
    tuple(2, ['2001:db8::2', 6443], ['2001:db8::1', 50000]),
  );
  const tell = (payload: Uint8Array, ...of: Parameters<typeof flowsOf>) => flowsOf(...of)(listed(payload));
  assert.equal(tell(entry(3), service), true);
  assert.equal(tell(entry(3), service, backend), true);
  assert.equal(tell(entry(3), at('192.0.2.101', 6443), backend), false);
  assert.equal(tell(entry(3), at('192.0.2.100', 6444), backend), false);
  assert.equal(tell(entry(3), service, at('192.0.2.3', 6443)), false);
  assert.equal(tell(entry(3), service, at('192.0.2.2', 6444)), false);
  assert.equal(tell(entry(3), at('2001:db8::100', 6443)), false);
  assert.equal(tell(six, at('2001:db8::100', 6443), at('2001:db8::2', 6443)), true);
  assert.equal(tell(six, at('2001:db8::100', 6443), at('2001:db8::3', 6443)), false);
});

test('an entry has the same name listed and decoded, another another', () => {
  const flow = decodeFlow(listed(entry(3)));
  assert.ok(flow.ok);
  assert.equal(nameOfFlow(flow.value), nameOfListed(listed(entry(6))));
  const other = concat(Uint8Array.of(2, 0, 0, 0), tuple(1, ['198.51.100.9', 40001], ['192.0.2.100', 6443]));
  assert.notEqual(nameOfFlow(flow.value), nameOfListed(listed(other)));
});

test('entries of other protocols, and what is no entry, are refused', () => {
  assert.deepEqual(decodeFlow(listed(entry(3, 17))), { ok: false, reason: 'not-a-flow' });
  assert.deepEqual(decodeFlow({ ...listed(entry(3)), type: 3 }), { ok: false, reason: 'not-a-flow' });
  assert.deepEqual(decodeFlow(listed(Uint8Array.of(2, 0, 0, 0))), { ok: false, reason: 'not-a-flow' });
});

test('no change to an entry makes the decoder throw', () => {
  const bytes = entry(3);
  const tell = flowsOf({ ip: '192.0.2.100' as Ip, port: 6443 }, { ip: '192.0.2.2' as Ip, port: 6443 });
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (position, value, length) => {
      const changed = Uint8Array.from(bytes);
      changed[position] = value;
      decodeFlow(listed(changed));
      decodeFlow(listed(changed.subarray(0, length)));
      tell(listed(changed));
      tell(listed(changed.subarray(0, length)));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
      decodeFlow(listed(noise));
      tell(listed(noise));
    }),
  );
});

test('entries are listed by protocol and port, and deleted by what they are', () => {
  const [list] = encodeListFlows({ ip: '2001:db8::100' as Ip, port: 6443 });
  assert.equal(
    Buffer.from(list?.payload ?? []).toString('hex'),
    // nfgenmsg of AF_INET6, CTA_TUPLE_ORIG with CTA_TUPLE_PROTO, CTA_FILTER with flags in the machine's byte order
    `0a000000${'18000180'}${'14000280'}${'0500010006000000'}${'06000300192b0000'}${'0c001980'}${'0800010028000000'}`,
  );
  const flow = decodeFlow(listed(entry(3)));
  assert.ok(flow.ok);
  const other: Flow = { ...flow.value, identity: Uint8Array.of() };
  const requests = encodeDeleteFlows([flow.value, other]);
  assert.deepEqual(
    requests.map(({ type, flags, tolerated, payload }) => ({ type, flags, tolerated, length: payload.length })),
    [
      { type: (1 << 8) | 2, flags: 0, tolerated: ['ENOENT'], length: 4 + flow.value.identity.length },
      { type: (1 << 8) | 2, flags: 4, tolerated: ['ENOENT'], length: 4 },
    ],
  );
});
