import type { NodeLabelApi } from '../signs/api.js';
import type { KubernetesClient } from './client.js';
import { asObject } from './json.js';
import { refused } from './refusal.js';

/** The labels of the Node of this name, in the background lane. It takes the right to `patch` nodes, and no other. */
export function createNodeLabelApi(client: KubernetesClient, node: string): NodeLabelApi {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}`;
  return {
    async patch(labels, timeout) {
      const body = { metadata: { labels } };
      const answer = await client.request({
        ...{ method: 'PATCH', path, body, timeout },
        ...{ lane: 'background', aside: true },
      });
      if (!answer.ok) return answer;
      const metadata = asObject(answer.body.metadata);
      if (answer.body.kind !== 'Node' || metadata?.name !== node)
        return refused('invalid', `the answer is not the Node ${node}`);
      const found = Object.entries(asObject(metadata.labels) ?? {});
      return {
        ok: true,
        labels: Object.fromEntries(found.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
      };
    },
  };
}
