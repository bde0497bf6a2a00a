import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { execute } from './execute.js';

const folder = '/run/netns';
/** The names that `createNetwork` gives: vipd-OWNER-COUNTER-NETWORK-HOST. */
const pattern = /^vipd-(\d+)-\d+-/;

/** Removes the namespaces whose owner was killed before it could. */
export async function sweepLeftovers(): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await removeNamespaces(names.filter(isLeftover));
}

function isLeftover(name: string): boolean {
  const owner = pattern.exec(name)?.[1];
  return owner !== undefined && !existsSync(`/proc/${owner}`);
}

/** Removes what this process has made so far: it was interrupted, and ends. */
export async function removeNamespacesOf(owner: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await removeNamespaces(names.filter((name) => pattern.exec(name)?.[1] === String(owner)));
}

/** Kills whatever still runs in the namespaces and removes them; one that is not there is as good as removed. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const pids = (await execute('ip', ['netns', 'pids', name]).catch(() => '')).split(/\s+/).filter(Boolean);
      if (pids.length > 0) await execute('sh', ['-c', `kill -KILL ${pids.join(' ')}`]).catch(() => '');
      await execute('ip', ['netns', 'delete', name]).catch(() => '');
    }),
  );
}
