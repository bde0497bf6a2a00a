import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, createCluster } from '../../src/lab/cluster.js';
import { clock } from './poll.js';
import { program } from './program.js';

/** Three nodes with vipd as an operator starts it, one of which has the address; the settings are the defaults but for `settings`. */
export async function withCluster(
  name: string,
  use: (cluster: Cluster) => Promise<void>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const cluster = await createCluster({ program, clock, name, folder, api: 'embedded', size: 3, settings });
  try {
    await Promise.all(cluster.nodes.map((node) => node.startVipd()));
    await cluster.holder(10_000);
    await use(cluster);
  } finally {
    await cluster[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}
