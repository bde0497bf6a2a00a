import { readsItsNode } from '../config/api-use.js';
import type { Settings, VipSettings } from '../config/settings.js';

/** What vipd asks the Kubernetes API for. */
export interface ApiNeeds {
  readonly leases: readonly { readonly namespace: string; readonly name: string }[];
  /** Tells in these namespaces of Leases by Events. */
  readonly events: boolean;
  /** Reads the annotations of its Node. */
  readonly annotations: boolean;
  /** Watches the control-plane nodes. */
  readonly nodes: boolean;
  /** Labels its Node. */
  readonly labels: boolean;
  /** Reads the cluster's CA out of the kubeconfig, which takes no right. */
  readonly ca: boolean;
}

export function apiNeeds({ vips, kubernetes }: Settings): ApiNeeds {
  const balanced = vips.filter(({ loadBalancer }) => loadBalancer.mode !== 'off');
  const leases = vips.filter(({ election }) => election.type === 'lease').map(({ election }) => election.lease);
  const nodes = balanced.some(({ loadBalancer }) => loadBalancer.backends.from === 'nodes');
  return {
    leases,
    events: kubernetes.events && leases.length > 0,
    annotations: readsItsNode({ vips }),
    nodes,
    labels: kubernetes.nodeLabel,
    ca: balanced.some(verifiesWithClusterCa),
  };
}

function verifiesWithClusterCa({ loadBalancer: { healthCheck } }: VipSettings): boolean {
  return healthCheck.type === 'https' && healthCheck.ca === undefined && !healthCheck.insecure;
}

export function needsApi({ leases, nodes, labels, ca }: ApiNeeds): boolean {
  return leases.length > 0 || nodes || labels || ca;
}
