import { endpoint, type Ip } from '../net/ip.js';
import type { Answer, Call } from './agent.js';
import type { Client } from './client.js';
import type { Host } from './network.js';

/** The Kubernetes API of the lab: one store behind an API server on every control-plane node. */
export interface ClusterApi {
  /** What it is, for people. */
  readonly description: string;
  /** A kubeconfig that points at the API server of the node that reads it. */
  readonly kubeconfig: string;
  /** Starts a node's API server on port 6443 of all its addresses; its certificate carries the node's name. It may not answer yet. */
  startServer(host: Host): Promise<ApiServer>;
  /** The file that a node's API server writes to. */
  logOf(node: string): string;
  /** How an administrator identifies himself. */
  readonly token: string;
}

export interface ApiServer {
  /** False once it has ended. */
  running(): boolean;
  signal(name: NodeJS.Signals): void;
}

/** A node as kubeadm and the kubelet would register it. */
export interface NodeRegistration {
  readonly name: string;
  /** Its InternalIPs. */
  readonly ips: readonly string[];
  readonly controlPlane: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What the lab does to the cluster as its administrator; each call rejects with what the API said when it refused. */
export interface Administrator {
  addNode(node: NodeRegistration): Promise<void>;
  deleteNode(name: string): Promise<void>;
  setReady(name: string, ready: boolean): Promise<void>;
  /** The holder of the Lease; an empty string when nobody has it, undefined when there is none. */
  leaseHolder(): Promise<string | undefined>;
  /** Whether the API server at the address answers. */
  isReady(ip: Ip): Promise<boolean>;
}

const nodesPath = '/api/v1/nodes';
const leasePath = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/plndr-cp-lock';

/**
 * @param client the process that asks; it must reach the API servers
 * @param server the address of an API server that is alive
 */
export function createAdministrator(client: Client, token: string, server: () => Ip): Administrator {
  const authorization = `Bearer ${token}`;

  function call(method: string, path: string, body?: object, ip = server()): Promise<Answer> {
    const type = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
    const exchange: Call = {
      method,
      url: `https://${endpoint(ip, 6443)}${path}`,
      headers: { authorization, accept: 'application/json', 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    return client.call(exchange);
  }

  async function must(method: string, path: string, body?: object): Promise<void> {
    const answer = await call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  }

  return {
    addNode: (node) => must('POST', nodesPath, nodeObject(node)),
    deleteNode: (name) => must('DELETE', `${nodesPath}/${name}`),
    setReady: (name, ready) =>
      must('PATCH', `${nodesPath}/${name}/status`, { status: { conditions: [readiness(ready)] } }),
    async leaseHolder() {
      const answer = await call('GET', leasePath);
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw new Error(`GET ${leasePath}: ${answer.status} ${answer.body}`);
      return (JSON.parse(answer.body) as { spec?: { holderIdentity?: string } }).spec?.holderIdentity ?? '';
    },
    isReady: (ip) =>
      call('GET', '/readyz', undefined, ip).then(
        (answer) => answer.status === 200,
        () => false,
      ),
  };
}

/** What the kubelet makes of it. */
export function nodeObject({ name, ips, controlPlane, annotations = {} }: NodeRegistration): object {
  const addresses = [...ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations,
      labels: {
        'kubernetes.io/hostname': name,
        ...(controlPlane ? { 'node-role.kubernetes.io/control-plane': '' } : {}),
      },
    },
    status: { addresses, conditions: [readiness(true)] },
  };
}

function readiness(ready: boolean): object {
  const reason = ready ? 'KubeletReady' : 'KubeletNotReady';
  return { type: 'Ready', status: ready ? 'True' : 'False', reason, message: 'said by the lab' };
}
