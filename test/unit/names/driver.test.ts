import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNames } from '../../../src/names/driver.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createRecordingLog } from '../../fakes/log.js';
import { createFakeResolver } from '../../fakes/resolver.js';

const [a, b] = ['192.0.2.9', '192.0.2.10'] as Ip[] as [Ip, Ip];

function start(...names: readonly string[]) {
  const clock = createFakeClock();
  const resolver = createFakeResolver();
  const { log, lines } = createRecordingLog();
  const followed = createNames({
    names,
    config: { mode: 'first', interval: millis(30_000) },
    patience: millis(5000),
    ...{ resolver, clock, log },
  });
  let changes = 0;
  followed.start(() => changes++);
  return { clock, resolver, lines, followed, changes: () => changes };
}

test('no address is told before every name has one; each change is told once', async () => {
  const { clock, resolver, followed, changes } = start('one.example', 'two.example');
  assert.deepEqual(resolver.asked, ['one.example', 'two.example']);
  await resolver.answer({ ok: true, ips: [a] });
  assert.equal(followed.addresses(), undefined);
  await resolver.answer({ ok: true, ips: [b] });
  assert.deepEqual(followed.addresses(), [a, b]);
  assert.equal(changes(), 2);
  clock.advance(30_000);
  await resolver.answer({ ok: true, ips: [a] });
  await resolver.answer({ ok: true, ips: [a] });
  assert.equal(changes(), 2);
  clock.advance(5000);
  await resolver.answer({ ok: true, ips: [a] });
  assert.deepEqual([followed.addresses(), changes()], [[a], 3]);
});

test('an outage is told of once, and so is its end', async () => {
  const { clock, resolver, lines, followed } = start('one.example');
  await resolver.answer({ ok: true, ips: [a] });
  for (let round = 0; round < 5; round++) {
    clock.advance(30_000);
    await resolver.answer({ ok: false, code: 'EAI_AGAIN' });
  }
  clock.advance(30_000);
  await resolver.answer({ ok: true, ips: [a] });
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['name', 'the name has no answer', 'the name is answered again'],
  );
  assert.deepEqual(followed.addresses(), [a]);
});

test('what is disposed neither asks nor tells', async () => {
  const { clock, resolver, followed, changes } = start('one.example');
  followed[Symbol.dispose]();
  await resolver.answer({ ok: true, ips: [a] });
  clock.advance(100_000);
  assert.deepEqual([resolver.asked, changes()], [[], 0]);
});

test('a late answer counts, and meanwhile there is no other look-up', async () => {
  const { clock, resolver, lines, followed } = start('one.example');
  // Longer than glibc waits for a dead name server before it asks the next one.
  clock.advance(60_000);
  assert.deepEqual([resolver.asked, followed.addresses()], [['one.example'], undefined]);
  await resolver.answer({ ok: true, ips: [a] });
  assert.deepEqual(followed.addresses(), [a]);
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['the name has no answer', 'name', 'the name is answered again'],
  );
});

test('a name that does not settle is told of once, and once that it has', async () => {
  const { clock, resolver, lines, followed } = start('one.example');
  await resolver.answer({ ok: true, ips: [a] });
  for (let round = 0; round < 200; round++) {
    clock.advance(30_000);
    await resolver.answer({ ok: true, ips: [Math.floor(round / 2) % 2 === 0 ? b : a] });
  }
  for (let round = 0; round < 1000; round++) {
    clock.advance(30_000);
    await resolver.answer({ ok: true, ips: followed.addresses() ?? [] });
  }
  const unrest = lines.map(({ message }) => message).filter((message) => message.includes('settle'));
  assert.deepEqual(unrest, ['the name does not settle; the VIP follows it ever more slowly', 'the name has settled']);
});
