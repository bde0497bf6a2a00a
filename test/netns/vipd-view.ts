import type { Client } from '../../src/lab/client.js';
import type { ClusterNode } from '../../src/lab/cluster.js';
import type { VipStatus } from '../../src/vip/status.js';
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
