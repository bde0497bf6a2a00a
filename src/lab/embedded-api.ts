import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endpoint, type Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { runApiStore } from './api/embedded.js';
import { runApiFront } from './api/front.js';
import { kubeconfigText } from './api/kubeconfig.js';
import { type Certificate, createAuthority } from './certificates.js';
import type { Program } from './client.js';
import type { ClusterApi } from './cluster-api.js';
import { startDaemon } from './daemon.js';
import type { Network } from './network.js';

/** What one process of the embedded API does: keep the store, or stand before it on a node. */
export type ApiProcess =
  | { readonly role: 'store'; readonly host: string; readonly port: number; readonly token: string }
  | {
      readonly role: 'front';
      readonly name: string;
      readonly port: number;
      readonly certificate: Certificate;
      readonly store: { readonly host: string; readonly port: number };
    };

/** Runs the process that the file describes, until the signal aborts. */
export async function runApiProcess(file: string, clock: Clock, stop: AbortSignal): Promise<void> {
  const wanted: ApiProcess = JSON.parse(await readFile(file, 'utf8'));
  await using _listener = await start(wanted, clock);
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
}

function start(wanted: ApiProcess, clock: Clock): Promise<AsyncDisposable> {
  switch (wanted.role) {
    case 'store': {
      const { host, port, token } = wanted;
      return runApiStore({ clock, listen: { host, port, certificate: undefined }, tokens: [token] });
    }
    case 'front': {
      const { name, port, certificate, store } = wanted;
      return runApiFront({ name, listen: { host: undefined, port, certificate }, store });
    }
  }
}

/**
 * The embedded API: a store in the switch's namespace and a front on every node.
 * @param address the switch's own address
 * @param folder where certificates and logs go
 */
export async function startEmbeddedClusterApi(
  network: Network,
  {
    address,
    vips,
    folder,
    program,
    clock,
  }: { address: string; vips: readonly [Ip, ...Ip[]]; folder: string; program: Program; clock: Clock },
): Promise<ClusterApi> {
  const authority = await createAuthority('vipd lab', clock.wall());
  const token = randomBytes(16).toString('hex');
  const store = { host: address, port: 2379 };
  const logOf = (name: string) => join(folder, `${name}.api.log`);

  async function startProcess(name: string, wanted: ApiProcess, namespace = network.switch) {
    const file = join(folder, `${name}.api.json`);
    await writeFile(file, JSON.stringify(wanted), { mode: 0o600 });
    return startDaemon(namespace, program.node, [program.script, 'lab-api', '--file', file], logOf(name));
  }

  await startProcess('store', { role: 'store', ...store, token });
  const kubeconfig = join(folder, 'kubeconfig');
  // As kubeadm has it: every kubeconfig names the control plane's address.
  const server = `https://${endpoint(vips[0], 6443)}`;
  await writeFile(kubeconfig, kubeconfigText({ server, caPem: authority.caPem, token }), { mode: 0o600 });
  return {
    description: 'embedded',
    kubeconfig,
    token,
    logOf,
    async startServer(host) {
      const { name, ips } = host;
      const certificate = await authority.issue({ commonName: name, ips: [...vips, ...ips], dnsNames: [name] });
      return startProcess(name, { role: 'front', name, port: 6443, certificate, store }, host);
    },
  };
}
