import { join } from 'node:path';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import type { Namespace } from '../../src/lab/network.js';

// kube-vip contends by client-go's leader election. So do these, for whatever Lease they are told.

export interface ClientGo {
  /** Of kube-scheduler and leader-election. */
  readonly programs: string;
  readonly kubeconfig: string;
  /** For logs. */
  readonly folder: string;
}

const lease = { namespace: 'kube-system', name: 'plndr-cp-lock' };

/**
 * kube-scheduler with 5 s, 3 s and 1 s. It ends when it loses the Lease, like kube-vip, and never releases it.
 * @param name what its identity begins with, before `_`
 */
export function startScheduler(
  host: Namespace,
  { programs, kubeconfig, folder }: ClientGo,
  name: string,
): Promise<Daemon> {
  const election = {
    elect: true,
    'elect-resource-lock': 'leases',
    'elect-resource-name': lease.name,
    'elect-resource-namespace': lease.namespace,
    'elect-lease-duration': '5s',
    'elect-renew-deadline': '3s',
    'elect-retry-period': '1s',
  };
  const flags = [
    ...Object.entries(election).map(([flag, value]) => `--leader-${flag}=${value}`),
    ...[`--kubeconfig=${kubeconfig}`, '--port=0', '--secure-port=0'],
  ];
  // It calls itself by the machine's name.
  const named = ['--uts', 'sh', '-c', 'hostname "$0"; exec "$@"', name];
  const command = [...named, join(programs, 'kube-scheduler'), ...flags];
  return startDaemon(host, 'unshare', command, join(folder, `${name}.log`));
}

/** client-go's own example. 60 s, 15 s and 5 s are written in it; at its end it releases the Lease, like kube-vip. */
export function startExample(
  host: Namespace,
  { programs, kubeconfig, folder }: ClientGo,
  name: string,
): Promise<Daemon> {
  const args = ['-kubeconfig', kubeconfig, '-lease-lock-name', lease.name, '-lease-lock-namespace', lease.namespace];
  const command = join(programs, 'leader-election');
  return startDaemon(host, command, [...args, '-id', name], join(folder, `${name}.log`));
}
