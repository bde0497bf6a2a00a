import type { Settings } from './settings.js';

/** Whether the Kubernetes API is asked about this node: where a Lease elects, or the backends are nodes. */
export function readsItsNode({ vips }: Pick<Settings, 'vips'>): boolean {
  return vips.some(({ election, loadBalancer }) => {
    return election.type === 'lease' || (loadBalancer.mode !== 'off' && loadBalancer.backends.from === 'nodes');
  });
}
