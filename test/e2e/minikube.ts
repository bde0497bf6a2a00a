import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AddressWatch, watchAddress } from '../../src/lab/address-watch.js';
import { type RealServer, startRealCluster } from '../../src/lab/api/real-server.js';
import type { Certificate } from '../../src/lab/certificates.js';
import { type Client, startClient } from '../../src/lab/client.js';
import { createNetwork, type Host, insideNamespace } from '../../src/lab/network.js';
import type { Ip } from '../../src/net/ip.js';
import { type StartedPod, startPod } from '../netns/kubelet.js';
import { clock } from '../netns/poll.js';
import { program } from '../netns/program.js';
import { createKubectl, type Kubectl } from './kubectl.js';

// What `minikube start --ha` builds, on namespaces: every node has a kube-apiserver on port 8443 of all its addresses, every control-plane
// node a static pod, and every kubeconfig on them names the control plane, which /etc/hosts says is the virtual address.

const manifestFile = join(import.meta.dirname, '../../../test/fixtures/minikube/kube-vip.yaml');
const controlPlane = 'control-plane.minikube.internal';
export const vip = '10.77.0.254' as Ip;
export const port = 8443;

export interface MinikubeNode {
  readonly name: string;
  readonly host: Host;
  readonly api: RealServer;
  /** What happens to the virtual address here. */
  readonly address: AddressWatch;
  /** Undefined on a worker, and before it is started. */
  readonly pod: StartedPod | undefined;
  /** The kubelet reads the static pod's manifest. */
  startPod(): Promise<StartedPod>;
  /** The machine is gone: its processes are killed, then its cable is dead. Returns when the first signal was sent, wall clock in milliseconds. */
  destroy(): Promise<number>;
}

export interface Minikube extends AsyncDisposable {
  /** A machine that is no part of the cluster. */
  readonly clientHost: Host;
  readonly client: Client;
  /** There, with the server `https://VIP:8443` and the cluster's CA. */
  readonly kubectl: Kubectl;
  /** A machine with a kube-apiserver; the cluster does not know it yet. */
  addMachine(name: string, number: number): Promise<MinikubeNode>;
  /** Tells the cluster of the node, by kubectl. */
  register(node: MinikubeNode, role: 'control-plane' | 'worker'): Promise<void>;
}

/** @param programs the folder of etcd and kube-apiserver */
export async function createMinikube(programs: string): Promise<Minikube> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('minikube', process.pid, '10.77.0.1/24');
  async function dispose() {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
  try {
    const [own, home] = [join(folder, 'kubernetes'), join(folder, 'home')];
    await Promise.all([mkdir(own), mkdir(home)]);
    const prefix = insideNamespace(network.switch.namespace);
    const cluster = await startRealCluster({ clock, programs, folder: own, host: '10.77.0.1', prefix });
    const { authority } = cluster;
    const admin = await authority.issue({ commonName: 'minikube-user', organization: 'system:masters' });
    const configure = async (file: string, server: string) => {
      await writeFile(join(folder, file), kubeconfigText(server, authority.caPem, admin), { mode: 0o600 });
      return join(folder, file);
    };
    const adminConf = await configure('admin.conf', `https://${controlPlane}:${port}`);
    const clientHost = await network.addHost('client', '10.77.0.50/24');
    const clientConf = await configure('client.conf', `https://${vip}:${port}`);
    const kubectl = createKubectl(clientHost, clientConf, home, 3);
    const manifest = await readFile(manifestFile, 'utf8');

    async function addMachine(name: string, number: number): Promise<MinikubeNode> {
      const host = await network.addHost(name, `10.77.0.${number}/24`);
      const address = await watchAddress(host, vip, clock);
      const api = await cluster.addServer({
        ...{ name, host: host.ip, everywhere: true, port },
        ...{ ips: [vip], dnsNames: [controlPlane] },
        prefix: insideNamespace(host.namespace),
      });
      let pod: StartedPod | undefined;
      return {
        name,
        host,
        api,
        address,
        get pod() {
          return pod;
        },
        async startPod() {
          const node = {
            ...{ host, name, hostName: name },
            files: { '/etc/kubernetes/admin.conf': adminConf },
            hosts: [`${vip} ${controlPlane}`],
            apiServer: { host: '10.255.0.1', port: 443 },
          };
          pod = await startPod(manifest, node, join(folder, `${name}.log`));
          return pod;
        },
        async destroy() {
          const at = Date.now();
          pod?.signal('SIGKILL');
          api.signal('SIGKILL');
          await Promise.all([pod?.ended, api[Symbol.asyncDispose]()]);
          await host.linkDown();
          return at;
        },
      };
    }

    return {
      clientHost,
      client: startClient(clientHost, program),
      kubectl,
      addMachine,
      async register({ name, host }, role) {
        const file = join(folder, `node-${name}.json`);
        await writeFile(file, JSON.stringify(nodeObject(name, host.ip, role)));
        await kubectl.run('create', '--validate=false', '-f', file);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** As its kubelet registers it. */
function nodeObject(name: string, address: Ip, role: 'control-plane' | 'worker'): object {
  const labels = {
    'kubernetes.io/hostname': name,
    ...(role === 'worker' ? {} : { 'node-role.kubernetes.io/control-plane': '' }),
  };
  const addresses = [
    { type: 'InternalIP', address },
    { type: 'Hostname', address: name },
  ];
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  const status = { addresses, conditions: [ready] };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, status };
}

/** With a client certificate, as kubeadm writes it. */
function kubeconfigText(server: string, caPem: string, { certPem, keyPem }: Certificate): string {
  const data = (pem: string) => Buffer.from(pem).toString('base64');
  // JSON is YAML.
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'ha', cluster: { server, 'certificate-authority-data': data(caPem) } }],
    users: [{ name: 'ha', user: { 'client-certificate-data': data(certPem), 'client-key-data': data(keyPem) } }],
    contexts: [{ name: 'ha', context: { cluster: 'ha', user: 'ha' } }],
    'current-context': 'ha',
  });
}
