import type { NodeApi } from '../nodes/node.js';
import type { Clock } from '../time/clock.js';
import type { KubernetesClient } from './client.js';
import { decodeNode } from './node-codec.js';
import { type ReflectorOptions, reflect } from './reflector.js';

/** The control-plane nodes of the Kubernetes API, chosen by the server, sorted by name. */
export function createNodeApi(
  client: KubernetesClient,
  clock: Clock,
  watching: Pick<ReflectorOptions, 'minimumWatch' | 'random'> = {},
): NodeApi {
  return {
    watch(onEvent) {
      return reflect({
        ...watching,
        client,
        clock,
        path: '/api/v1/nodes',
        // Its existence counts: kubeadm sets it to the empty string, others to "true".
        selector: { labelSelector: 'node-role.kubernetes.io/control-plane' },
        onObjects(objects) {
          const names = [...objects.keys()].sort();
          onEvent({ kind: 'nodes', nodes: names.map((name) => decodeNode(name, objects.get(name) ?? {})) });
        },
        onInterrupted: ({ refusal, detail }) => onEvent({ kind: 'interrupted', refusal, detail }),
      });
    },
  };
}
