import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askStatus } from '../../src/admin/client.js';
import { type AddressWatch, watchAddress } from '../../src/lab/address-watch.js';
import { prepareApiServer, writeClusterKeys } from '../../src/lab/api/api-server-command.js';
import { kubeconfigText } from '../../src/lab/api/kubeconfig.js';
import { type Authority, createAuthority } from '../../src/lab/certificates.js';
import { hostAddress, vip, vipPort } from '../../src/lab/cluster.js';
import { nodeObject } from '../../src/lab/cluster-api.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { execute } from '../../src/lab/execute.js';
import { createNetwork, type Host, insideNamespace, type Network } from '../../src/lab/network.js';
import type { VipStatus } from '../../src/vip/status.js';
import { clock } from '../netns/poll.js';
import { program } from '../netns/program.js';

/** The kubeconfigs that kubeadm writes: the second on the first node alone. */
export type Conf = 'admin.conf' | 'super-admin.conf';

/** Whom kubeadm (1.29 and later) makes of them. kube-apiserver itself lets system:masters do everything. */
const identities = {
  'admin.conf': { commonName: 'kubernetes-admin', organization: 'kubeadm:cluster-admins' },
  'super-admin.conf': { commonName: 'kubernetes-super-admin', organization: 'system:masters' },
} as const;

/** A control-plane node with its own etcd and kube-apiserver (stacked), whose parts are started one by one, as kubeadm does it. */
export interface KubeadmNode {
  readonly name: string;
  readonly host: Host;
  /** What happens to the VIP here. */
  readonly address: AddressWatch;
  readonly vipd: Daemon | undefined;
  readonly vipdLog: string;
  writeConf(conf: Conf): Promise<void>;
  startVipd(): Promise<Daemon>;
  /** @param members as `--initial-cluster` has them: `cp1=http://10.77.0.11:2380` */
  startEtcd(members: readonly string[], state: 'new' | 'existing'): Promise<void>;
  /** Starts it again whenever it ends, as the kubelet does. */
  startApiServer(): Promise<void>;
  /** How often kube-apiserver was started. */
  apiServerStarts(): number;
  /** What the node's vipd says of the VIP; undefined when it does not answer. */
  status(): Promise<VipStatus | undefined>;
  /** Runs kubectl here, through the VIP. Rejects with its complaint. */
  kubectl(conf: Conf, args: readonly string[], input?: string): Promise<string>;
  /** Asks this node's etcd. */
  etcdctl(...args: string[]): Promise<string>;
  /** The power goes. Returns the moment, wall clock in milliseconds. */
  kill(): Promise<number>;
}

interface Parts {
  /** The folder of etcd, kube-apiserver and kubectl. */
  readonly programs: string;
  /** An empty one, for keys, data and logs. */
  readonly folder: string;
}

/** Hosts on which nothing runs yet: cp1, cp2, cp3. Disposing ends all that does. */
export async function createKubeadmNodes(parts: Parts) {
  const authority = await createAuthority('kubernetes', clock.wall());
  await writeClusterKeys(parts.folder, authority);
  const network = await createNetwork('kubeadm', process.pid);
  const end = new AbortController();
  const add = (number: number) => addNode({ ...parts, authority, network, end: end.signal }, number);
  return {
    nodes: await Promise.all([add(1), add(2), add(3)]),
    async [Symbol.asyncDispose]() {
      end.abort();
      await network[Symbol.asyncDispose]();
    },
  };
}

/** The object that the kubelet of a node makes, without the label that `kubeadm` puts on it later. */
export function nodeJson({ name, host }: KubeadmNode): string {
  return JSON.stringify(nodeObject({ name, ips: host.ips, controlPlane: false }));
}

async function addNode(
  parts: Parts & { readonly authority: Authority; readonly network: Network; readonly end: AbortSignal },
  number: number,
): Promise<KubeadmNode> {
  const { authority, network, programs, folder, end } = parts;
  const name = `cp${number}`;
  const host = await network.addHost(name, hostAddress(10 + number, 4));
  const address = await watchAddress(host, vip, clock);
  const own = join(folder, name);
  await mkdir(own);
  const adminSocket = join(own, 'vipd.sock');
  const vipdLog = join(own, 'vipd.log');
  const config = {
    node: { name },
    kubernetes: { kubeconfig: join(own, 'admin.conf') },
    vips: [
      {
        name: 'api',
        addresses: [vip],
        interface: 'eth0',
        loadBalancer: { ports: [vipPort], backends: { from: 'nodes', port: vipPort } },
      },
    ],
    admin: { socket: adminSocket },
  };
  // JSON is YAML.
  await writeFile(join(own, 'vipd.yaml'), JSON.stringify(config));
  let vipd: Daemon | undefined;
  let etcd: Daemon | undefined;
  let apiServer: Daemon | undefined;
  let starts = 0;
  let isPowered = true;

  async function keepApiServer([command, ...args]: readonly [string, ...string[]]): Promise<void> {
    while (isPowered && !end.aborted) {
      starts++;
      apiServer = await startDaemon(host, command, args, join(own, 'kube-apiserver.log'));
      await apiServer.ended;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  return {
    name,
    host,
    address,
    vipdLog,
    get vipd() {
      return vipd;
    },
    apiServerStarts: () => starts,
    async writeConf(conf) {
      const certificate = await authority.issue(identities[conf]);
      const text = kubeconfigText({ server: `https://${vip}:${vipPort}`, caPem: authority.caPem, certificate });
      await writeFile(join(own, conf), text, { mode: 0o600 });
    },
    async startVipd() {
      vipd = await startDaemon(
        ...([host, program.node, [program.script, 'start', '--config', join(own, 'vipd.yaml')], vipdLog] as const),
      );
      return vipd;
    },
    async startEtcd(members, state) {
      etcd = await startDaemon(
        host,
        join(programs, 'etcd'),
        [
          `--name=${name}`,
          `--data-dir=${join(own, 'etcd')}`,
          `--listen-client-urls=http://127.0.0.1:2379,http://${host.ip}:2379`,
          `--advertise-client-urls=http://${host.ip}:2379`,
          `--listen-peer-urls=${peerUrl(host)}`,
          `--initial-advertise-peer-urls=${peerUrl(host)}`,
          `--initial-cluster=${members.join(',')}`,
          `--initial-cluster-state=${state}`,
        ],
        join(own, 'etcd.log'),
      );
    },
    async startApiServer() {
      // The names and addresses that kubeadm has; 127.0.0.1 is not among them.
      const certificate = await authority.issue({
        commonName: 'kube-apiserver',
        dnsNames: [name, 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
        ips: ['10.255.0.1', host.ip, vip],
      });
      const command = await prepareApiServer({
        ...{
          programs,
          folder,
          certificate,
          etcd: 'http://127.0.0.1:2379',
          host: host.ip,
          everywhere: true,
          port: vipPort,
        },
        own: join(own, 'kube-apiserver'),
        flags: [],
      });
      void keepApiServer(command);
    },
    async status() {
      const answer = await askStatus(adminSocket);
      return answer.ok ? answer.status.vips[0] : undefined;
    },
    kubectl: (conf, args, input) => {
      const files = [`--kubeconfig=${join(own, conf)}`, `--cache-dir=${join(own, `kubectl-${conf}`)}`];
      const command = [join(programs, 'kubectl'), ...files, '--request-timeout=10s', ...args];
      const [first = '', ...rest] = [...insideNamespace(host.namespace), ...command];
      return execute(first, rest, input);
    },
    etcdctl: (...args) =>
      host.run('env', ['ETCDCTL_API=3', join(programs, 'etcdctl'), '--endpoints=http://127.0.0.1:2379', ...args]),
    async kill() {
      isPowered = false;
      const at = Date.now();
      for (const daemon of [vipd, apiServer, etcd]) daemon?.signal('SIGKILL');
      await host.linkDown();
      return at;
    },
  };
}

export function peerUrl(host: Host): string {
  return `http://${host.ip}:2380`;
}
