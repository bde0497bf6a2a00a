import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/lab/cluster.js';
import { clock, until } from './poll.js';
import { program } from './program.js';

/** What differs from three nodes with IPv4, the default settings and the embedded API. */
type Choices = Partial<Pick<ClusterOptions, 'api' | 'families' | 'settings' | 'size'>>;

/** Goes with its folder, where configurations, keys and logs are. */
export type PreparedCluster = Cluster & { readonly folder: string };

/** A cluster in a folder of its own. No vipd runs yet. */
export async function prepareCluster(name: string, choices: Choices = {}): Promise<PreparedCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  try {
    const cluster = await createCluster({ program, clock, name, folder, api: 'embedded', size: 3, ...choices });
    return {
      ...cluster,
      folder,
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/**
 * Starts vipd on every node as an operator does, and waits until one of them serves the VIP: between its address and its data path, for
 * some milliseconds, this node's own API server answers for all.
 */
export async function startVipds(cluster: Cluster, within = 10_000) {
  await Promise.all(cluster.nodes.map((node) => node.startVipd()));
  const holder = await cluster.holder(within);
  const serves = async () => /"?to"?[=:]"?serving\b/.test(await readFile(holder.logs.vipd, 'utf8'));
  await until(serves, { within, every: 5, what: `${holder.name} to serve the VIP` });
  return holder;
}

/** Three nodes with vipd, one of which has the address; the settings are the defaults but for `settings`. */
export async function withCluster(
  name: string,
  use: (cluster: Cluster) => Promise<void>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await using cluster = await prepareCluster(name, { settings });
  await startVipds(cluster);
  await use(cluster);
}
