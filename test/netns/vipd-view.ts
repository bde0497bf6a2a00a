import { readFile } from 'node:fs/promises';
import type { Client } from '../../src/lab/client.js';
import type { ClusterNode } from '../../src/lab/cluster.js';
import type { BackendStatus, VipStatus } from '../../src/vip/status.js';
import { program } from './program.js';

/** What `vipd status --json` prints on the node, of its only VIP. */
export async function readStatus({ host, adminSocket }: ClusterNode): Promise<VipStatus> {
  const args = [program.script, 'status', '--json', '--admin-socket', adminSocket];
  const [status] = JSON.parse(await host.run(program.node, args)).vips;
  return status;
}

/** The values of one metric by the value of one of its labels, as /metrics has them on the client's host. */
export async function readMetric(
  client: Client,
  name: string,
  label: string,
): Promise<Readonly<Record<string, number>>> {
  const { body } = await client.call({ method: 'GET', url: 'http://127.0.0.1:2112/metrics', headers: {} });
  const line = new RegExp(`^${name}\\{(?:.*,)?${label}="([^"]*)".*\\} (\\S+)$`, 'gm');
  return Object.fromEntries([...body.matchAll(line)].map(([, key = '', value]) => [key, Number(value)]));
}

/** A backend as the node's vipd has it now. */
export async function readBackend(node: ClusterNode, name: string): Promise<BackendStatus | undefined> {
  const status = await node.status();
  return status?.vips[0]?.loadBalancer.backends.find((backend) => backend.name === name);
}

/** A line of the log in which a backend goes up or down. */
export interface Turn {
  /** Wall clock, milliseconds. */
  readonly at: number;
  readonly to: 'up' | 'down';
  readonly because: string;
}

/** What the node's vipd wrote about a backend's health, all its lives. */
export async function readTurns(node: ClusterNode, backend: string): Promise<readonly Turn[]> {
  const lines = (await readFile(node.logs.vipd, 'utf8')).split('\n').filter((line) => line.includes('"backend"'));
  return lines
    .map((line) => JSON.parse(line))
    .filter((line) => line.backend === backend && ['up', 'down'].includes(line.to))
    .map(({ time, to, because }) => ({ at: Date.parse(time), to, because }));
}
