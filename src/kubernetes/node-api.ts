import type { NodeAnnotationsApi } from '../nodes/annotations.js';
import type { NodeApi } from '../nodes/node.js';
import type { Clock } from '../time/clock.js';
import type { KubernetesClient } from './client.js';
import { asObject } from './json.js';
import { decodeAnnotations, decodeNode } from './node-codec.js';
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

/** Asks by a list of one: whoever may follow the nodes may list them, and needs no right to `get`. */
export function createNodeAnnotationsApi(client: KubernetesClient, name: string): NodeAnnotationsApi {
  return {
    async read(timeout) {
      const query = { fieldSelector: `metadata.name=${name}`, limit: '1' };
      const answer = await client.request({ method: 'GET', path: '/api/v1/nodes', query, timeout, lane: 'background' });
      if (!answer.ok) return answer;
      const items = Array.isArray(answer.body.items) ? answer.body.items : [];
      return { ok: true, annotations: decodeAnnotations(asObject(items[0]) ?? {}) };
    },
  };
}
