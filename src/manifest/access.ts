import type { Settings, VipSettings } from '../config/settings.js';

/** What vipd asks the Kubernetes API for. */
export interface ApiNeeds {
  readonly leases: readonly { readonly namespace: string; readonly name: string }[];
  /** Watches the control-plane nodes. */
  readonly nodes: boolean;
  /** Reads the cluster's CA out of the kubeconfig, which takes no right. */
  readonly ca: boolean;
}

export function apiNeeds({ vips }: Settings): ApiNeeds {
  const balanced = vips.filter(({ loadBalancer }) => loadBalancer.mode !== 'off');
  return {
    leases: vips.filter(({ election }) => election.type === 'lease').map(({ election }) => election.lease),
    nodes: balanced.some(({ loadBalancer }) => loadBalancer.backends.from === 'nodes'),
    ca: balanced.some(verifiesWithClusterCa),
  };
}

function verifiesWithClusterCa({ loadBalancer: { healthCheck } }: VipSettings): boolean {
  return healthCheck.type === 'https' && healthCheck.ca === undefined && !healthCheck.insecure;
}

export function needsApi({ leases, nodes, ca }: ApiNeeds): boolean {
  return leases.length > 0 || nodes || ca;
}
