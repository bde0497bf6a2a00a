import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { measureOutage } from './vrrp-outage.js';
import { type Contestant, contestants } from './vrrp-pair.js';

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

it('advertisements every 10 ms, the cable cut: no longer an outage than keepalived’s and 20 ms', async (context) => {
  const outages: Record<Contestant, number[]> = { vipd: [], keepalived: [] };
  for (let round = 0; round < 5; round++) {
    for (const who of contestants) {
      const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
      const { length } = await measureOutage(who, { version: 3, advertInterval: 10 }, 'cut', folder);
      outages[who].push(Math.round(length));
      await rm(folder, { recursive: true, force: true });
    }
  }
  context.diagnostic(`outages in ms: vipd ${outages.vipd}, keepalived ${outages.keepalived}`);
  assert.ok(
    median(outages.vipd) <= median(outages.keepalived) + 20,
    `vipd ${outages.vipd}, keepalived ${outages.keepalived}`,
  );
});
