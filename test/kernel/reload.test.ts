import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sufferReloads } from '../netns/reloads.js';
import { inDebianKernel } from './debian-kernel.js';

const pace = { reloads: 1000, reloadEvery: 15, connectEvery: 5, timeout: 10_000, patience: 60_000 };

inDebianKernel(import.meta.filename, () => {
  test('1,000 reloads that change the backends of IPVS fail no connect, and end no open connection', async () => {
    // An emulated processor may not get to a refresh for seconds.
    const settings = { deadManSwitch: '10s' };
    const options = { ...pace, mode: 'ipvs', whenBackendDown: 'close', settings } as const;
    const { connects, failed, longest, held } = await sufferReloads('reload-ipvs', options);
    console.log(`  ipvs: ${connects} connects, failed ${JSON.stringify(failed)}, the longest ${longest} ms`);
    assert.deepEqual(failed, {});
    assert.ok(connects >= pace.reloads * 2, `${connects} connects`);
    assert.deepEqual(held, []);
  });
});
