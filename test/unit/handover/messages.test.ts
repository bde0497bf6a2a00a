import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, fewEnough, fits, type GiverMessage, remainders } from '../../../src/handover/messages.js';
import type { Ip } from '../../../src/net/ip.js';

const backend = { name: 'a', ip: '192.0.2.1' as Ip, port: 80, open: 1 };
const listener = { of: 4711, ip: '2001:db8::1' as Ip, port: 443, connections: 7 };

test('a message arrives as it was sent; what is none is nothing', () => {
  const message: GiverMessage = {
    kind: 'remaining',
    part: 0,
    parts: 1,
    listener: { ...listener, backends: [backend] },
  };
  assert.deepEqual(decode(encode(message)), message);
  for (const text of ['junk', '', '7', 'null', '[]', '{"kind":1}', '{}']) {
    assert.equal(decode(new TextEncoder().encode(text)), undefined);
  }
});

test('of however many backends, all arrive, in messages that a channel takes', () => {
  const backends = Array.from({ length: 1000 }, (_, i) => ({
    ...backend,
    name: `${'x'.repeat(249)}${i}`,
    port: 1 + i,
  }));
  const messages = remainders({ ...listener, backends });
  assert.ok(messages.every((message) => fits(encode(message))));
  const arrived = messages.flatMap((message) => (message.kind === 'remaining' ? message.listener.backends : []));
  assert.deepEqual(arrived, backends);
  assert.equal(remainders({ ...listener, backends: [] }).length, 1);
});

test('opinions of more backends than one message takes are those of the first', () => {
  const one = {
    ip: '2001:db8:1234:5678:9abc:def0:1234:5678' as Ip,
    port: 65_535,
    up: true,
    against: 100,
    because: 'certificate-unknown-ca',
  };
  const all = ['a', 'b'].map((vip) => ({ vip, backends: Array.from({ length: 300 }, () => one) }));
  const listeners = Array.from({ length: 252 }, () => ({ ip: one.ip, port: one.port }));
  const few = fewEnough(all);
  assert.deepEqual(
    few.map(({ backends }) => backends.length),
    [300, 0],
  );
  assert.ok(fits(encode({ kind: 'here', listeners, generation: 0, ancestors: 0, opinions: few, drained: [] })));
});

test('what a channel does not take is known before', () => {
  const no = (length: number) => encode({ kind: 'no', because: 'x'.repeat(length) });
  assert.ok(fits(no(65_000)));
  assert.ok(!fits(no(65_536)));
});
