import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { authoritiesIn, createTrust } from '../../../src/balancer/trust.js';
import { createAuthority } from '../../../src/lab/certificates.js';
import { createFakeClock } from '../../fakes/clock.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('a rotated CA is taken over without a check that waits; one that cannot be read leaves the old one', async () => {
  const clock = createFakeClock();
  const first = await createAuthority('kubernetes', new Date());
  const second = await createAuthority('kubernetes', new Date());
  let pem: string | undefined = first.caPem;
  let loads = 0;
  const trust = createTrust(() => {
    loads++;
    return pem === undefined ? { ok: false, detail: 'gone' } : { ok: true, pem };
  }, clock);
  const [one, same] = await Promise.all([trust(), trust()]);
  assert.ok(one.ok && same.ok);
  assert.equal(one.context, same.context);
  assert.equal(loads, 1);
  const context = async () => {
    const result = await trust();
    await settle();
    return result.ok ? result.context : undefined;
  };
  clock.advance(9_999);
  assert.equal(await context(), one.context);
  assert.equal(loads, 1);
  clock.advance(1);
  assert.equal(await context(), one.context);
  assert.equal(loads, 2);
  pem = second.caPem;
  clock.advance(10_000);
  await context();
  const rotated = await context();
  assert.notEqual(rotated, one.context);
  for (const broken of [undefined, '', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']) {
    pem = broken;
    clock.advance(10_000);
    await context();
    assert.equal(await context(), rotated);
  }
});

test('without a usable CA the sentence says what is wrong', async () => {
  const clock = createFakeClock();
  const said = async (pem: string) => {
    const result = await createTrust(() => ({ ok: true, pem }), clock)();
    return result.ok ? 'ok' : result.detail;
  };
  assert.equal(await said(''), 'no certificate in PEM');
  assert.match(await said('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'), /./);
  const { caPem } = await createAuthority('kubernetes', new Date());
  assert.equal(await said(`# the CA\n${caPem}${caPem}`), 'ok');
});

test('a CA file that is not there is named, and found once it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-ca-'));
  try {
    const file = join(folder, 'ca.crt');
    const trust = createTrust(() => authoritiesIn(file), createFakeClock());
    const absent = await trust();
    assert.ok(!absent.ok && absent.detail.includes(file));
    await writeFile(file, (await createAuthority('kubernetes', new Date())).caPem);
    assert.equal((await trust()).ok, true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
