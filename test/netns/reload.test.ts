import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sufferReloads } from './reloads.js';

const pace = { reloads: 1000, reloadEvery: 15, connectEvery: 5, timeout: 5000, patience: 15_000 };

describe('1,000 reloads that change the backends, under 200 connections a second', { concurrency: 1 }, () => {
  for (const mode of ['proxy', 'nftables']) {
    test(`${mode}: no connect fails, and with \`keep\` no open connection ends`, async (t) => {
      const { connects, failed, longest, held } = await sufferReloads(`reload-${mode}`, {
        ...pace,
        mode,
        whenBackendDown: 'keep',
      });
      t.diagnostic(`${mode}, keep: ${connects} connects, failed ${JSON.stringify(failed)}, the longest ${longest} ms`);
      assert.deepEqual(failed, {});
      assert.ok(connects >= pace.reloads * 2, `${connects} connects`);
      assert.deepEqual(held, []);
    });

    test(`${mode}: no connect fails with \`close\` either`, async (t) => {
      const options = { ...pace, mode, whenBackendDown: 'close' } as const;
      const { connects, failed, longest } = await sufferReloads(`reload-${mode}-close`, options);
      t.diagnostic(`${mode}, close: ${connects} connects, failed ${JSON.stringify(failed)}, the longest ${longest} ms`);
      assert.deepEqual(failed, {});
      assert.ok(connects >= pace.reloads * 2, `${connects} connects`);
    });
  }
});
