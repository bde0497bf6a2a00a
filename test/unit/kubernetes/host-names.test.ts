import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHostNames } from '../../../src/kubernetes/host-names.js';
import type { Ip } from '../../../src/net/ip.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeResolver } from '../../fakes/resolver.js';

const host = 'cp.example';
const ips = (...texts: string[]) => ({ ok: true, ips: texts as Ip[] }) as const;

function open() {
  const clock = createFakeClock();
  const resolver = createFakeResolver();
  return { clock, resolver, names: createHostNames(resolver, clock) };
}

test('whoever asks waits 0.8 s for an answer, and nobody waits again behind the same look-up', async () => {
  const { clock, resolver, names } = open();
  const [one, other] = [names.find(host), names.find(host)];
  clock.advance(799);
  assert.deepEqual(resolver.asked, [host]);
  assert.equal(await Promise.race([one, 'waits']), 'waits');
  clock.advance(1);
  assert.deepEqual(await Promise.all([one, other]), Array(2).fill({ ok: false, code: 'timeout' }));
  assert.deepEqual(await names.find(host), { ok: false, code: 'timeout' });
  assert.deepEqual(resolver.asked, [host]);
  // Late is better than never.
  await resolver.answer(ips('10.0.0.1'));
  const asking = names.find(host);
  clock.advance(800);
  assert.deepEqual(await asking, ips('10.0.0.1'));
});

test('without an answer the last one counts, and the resolver is left alone for 5 s', async () => {
  const { clock, resolver, names } = open();
  const first = names.find(host);
  await resolver.answer(ips('10.0.0.1', 'fd00::1'));
  assert.deepEqual(await first, ips('10.0.0.1', 'fd00::1'));
  for (const answer of [{ ok: false, code: 'EAI_AGAIN' }, { ok: false, code: 'ENOTFOUND' }, ips()] as const) {
    const second = names.find(host);
    await resolver.answer(answer);
    assert.deepEqual(await second, ips('10.0.0.1', 'fd00::1'));
    clock.advance(4_999);
    assert.deepEqual(await names.find(host), ips('10.0.0.1', 'fd00::1'));
    assert.deepEqual(resolver.asked, []);
    clock.advance(1);
  }
  const moved = names.find(host);
  await resolver.answer(ips('10.0.0.2'));
  assert.deepEqual(await moved, ips('10.0.0.2'));
});

test('a name that never had an answer is asked each time, and says what the resolver said', async () => {
  const { resolver, names } = open();
  for (let i = 0; i < 2; i++) {
    const answer = names.find(host);
    await resolver.answer({ ok: false, code: 'EAI_AGAIN' });
    assert.deepEqual(await answer, { ok: false, code: 'EAI_AGAIN' });
  }
});

test('a socket gets all addresses, one, or those of a family, as it asks', async () => {
  const { resolver, names } = open();
  const ask = async (options: object, answer = ips('10.0.0.1', 'fd00::1')) => {
    const found = new Promise<unknown>((resolve) =>
      names.lookup(host, options, (error, address, family) => resolve(error?.message ?? [address, family])),
    );
    await resolver.answer(answer);
    return found;
  };
  const both = [
    { address: '10.0.0.1', family: 4 },
    { address: 'fd00::1', family: 6 },
  ];
  assert.deepEqual(await ask({ all: true }), [both, undefined]);
  assert.deepEqual(await ask({ family: 0 }), ['10.0.0.1', 4]);
  assert.deepEqual(await ask({ family: 6 }), ['fd00::1', 6]);
  assert.equal(await ask({ family: 6 }, ips('10.0.0.1')), 'the name cp.example has no address (ENOTFOUND)');
});
