import type { Program } from './client.js';
import { type Cluster, vip, vipPort } from './cluster.js';

/** What one can do in a lab that stays up: a line each. */
export function playground(cluster: Cluster, { node, script, pid }: Program, unshared: boolean): readonly string[] {
  const [first] = cluster.nodes;
  if (first === undefined) return [];
  const root = unshared ? `nsenter --preserve-credentials -U -m -n -t ${pid} ` : '';
  const inside = (namespace: string) => `${root}ip netns exec ${namespace}`;
  const { namespace, name } = first.host;
  const rows = [
    ['a shell on the client', `${inside(cluster.clientHost.namespace)} bash`],
    [`a shell on ${name}`, `${inside(namespace)} bash`],
    ['who leads, as it changes', `${node} ${script} status --watch --admin-socket ${first.adminSocket}`],
    ['who answers', `${inside(cluster.clientHost.namespace)} curl -ksv https://${vip}:${vipPort}/readyz`],
    [
      'the Lease and the nodes',
      `${inside(namespace)} kubectl --kubeconfig ${cluster.api.kubeconfig} get lease,node -A`,
    ],
    [`kill ${name}'s vipd`, `${root}kill -KILL ${first.vipd?.pid ?? 'PID'}`],
    [`pull ${name}'s cable`, `${root}ip -n ${cluster.network.switch.namespace} link set ${name} down`],
    ['what vipd wrote', `tail -f ${first.logs.vipd}`],
    ['remove it all', `kill ${pid}`],
  ];
  return rows.map(([what = '', command = '']) => `${what.padEnd(26)}${command}`);
}
