import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endpoint, type Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { kubeconfigText } from './api/kubeconfig.js';
import { startRealCluster } from './api/real-server.js';
import type { ClusterApi } from './cluster-api.js';
import { execute } from './execute.js';
import { insideNamespace, type Network } from './network.js';

/**
 * The real thing: etcd in the switch's namespace and a kube-apiserver on every node.
 * @param programs the folder of etcd and kube-apiserver
 * @param address the switch's own address
 * @param folder where keys, data and logs go
 */
export async function startRealClusterApi(
  network: Network,
  {
    programs,
    address,
    vips,
    folder,
    clock,
  }: { programs: string; address: string; vips: readonly [Ip, ...Ip[]]; folder: string; clock: Clock },
): Promise<ClusterApi> {
  const own = join(folder, 'kubernetes');
  await mkdir(own);
  const prefix = insideNamespace(network.switch.namespace);
  const cluster = await startRealCluster({ clock, programs, folder: own, host: address, prefix });
  const version = await execute(join(programs, 'kube-apiserver'), ['--version']);
  const kubeconfig = join(folder, 'kubeconfig');
  // As kubeadm has it: every kubeconfig names the control plane's address.
  const server = `https://${endpoint(vips[0], 6443)}`;
  await writeFile(kubeconfig, kubeconfigText({ server, caPem: cluster.authority.caPem, token: cluster.token }), {
    mode: 0o600,
  });
  return {
    description: `etcd and kube-apiserver, ${version.trim()}`,
    kubeconfig,
    token: cluster.token,
    logOf: (name) => join(own, `kube-apiserver-${name}.log`),
    startServer: ({ name, ip, ips, namespace }) =>
      cluster.addServer({
        ...{ name, host: ip, everywhere: true, ips: [...vips, ...ips] },
        prefix: insideNamespace(namespace),
      }),
  };
}
