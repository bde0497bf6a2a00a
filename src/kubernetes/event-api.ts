import type { EventApi, LeadershipEvent } from '../signs/api.js';
import type { KubernetesClient } from './client.js';
import type { JsonObject } from './json.js';

/**
 * Events of the core group, which `kubectl get events` and `kubectl describe lease` show; events.k8s.io/v1 is another view of the same
 * objects. In the background lane. It takes the right to `create` events in the namespace of the Lease.
 */
export function createEventApi(client: KubernetesClient): EventApi {
  return {
    async create(event, timeout) {
      const answer = await client.request({
        method: 'POST',
        path: `/api/v1/namespaces/${encodeURIComponent(event.regarding.namespace)}/events`,
        body: encodeEvent(event),
        timeout,
        lane: 'background',
        aside: true,
      });
      return answer.ok || answer.refusal === 'conflict' ? { ok: true } : answer;
    },
  };
}

/** As client-go's recorder writes one (tools/record). */
function encodeEvent({ name, regarding, type, reason, message, node, at }: LeadershipEvent): JsonObject {
  const { namespace, uid } = regarding;
  const time = at.toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name },
    involvedObject: {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      namespace,
      name: regarding.name,
      ...(uid === undefined ? {} : { uid }),
    },
    type,
    reason,
    message,
    source: { component: 'vipd', host: node },
    reportingComponent: 'vipd',
    reportingInstance: node,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
