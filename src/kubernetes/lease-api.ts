import type { LeaseAnswer, LeaseApi } from '../lease/api.js';
import type { Clock } from '../time/clock.js';
import type { Millis } from '../time/instant.js';
import type { ApiAnswer, KubernetesClient } from './client.js';
import { asObject } from './json.js';
import { type Annotations, decodeLease, encodeLease, replaceRecord } from './lease-codec.js';
import { type ReflectorOptions, reflect } from './reflector.js';
import { refused } from './refusal.js';

/**
 * One Lease of the Kubernetes API: get, create and update in the foreground lane, the watch in the background.
 * @param lease.annotations what every write adds to the annotations of the Lease, as they shall be at that moment
 */
export function createLeaseApi(
  client: KubernetesClient,
  lease: { readonly namespace: string; readonly name: string; readonly annotations?: () => Annotations },
  clock: Clock,
  watching: Pick<ReflectorOptions, 'minimumWatch' | 'random'> = {},
): LeaseApi {
  const { namespace, name, annotations = () => ({}) } = lease;
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const path = `${collection}/${encodeURIComponent(name)}`;
  return {
    async read(timeout: Millis) {
      return answerOf(await client.request({ method: 'GET', path, timeout }), name);
    },

    async create(record, timeout) {
      const body = encodeLease(namespace, name, record, annotations());
      return answerOf(await client.request({ method: 'POST', path: collection, body, timeout }), name);
    },

    async update(observed, record, timeout) {
      const body = replaceRecord(observed, record, annotations());
      return answerOf(await client.request({ method: 'PUT', path, body, timeout }), name);
    },

    watch(onEvent) {
      return reflect({
        ...watching,
        client,
        clock,
        path: collection,
        // With a role that is limited to this name by resourceNames, list and watch are allowed with this selector.
        selector: { fieldSelector: `metadata.name=${name}` },
        onObjects(objects, resourceVersion) {
          const object = objects.get(name);
          const decoded = object && decodeLease(object);
          if (decoded !== undefined) onEvent({ kind: 'observed', lease: decoded });
          else if (object === undefined) onEvent({ kind: 'absent', resourceVersion });
          else onEvent({ kind: 'interrupted', refusal: 'invalid', detail: `the Lease ${name} cannot be read` });
        },
        onInterrupted: ({ refusal, detail }) => onEvent({ kind: 'interrupted', refusal, detail }),
      });
    },
  };
}

function answerOf(answer: ApiAnswer, name: string): LeaseAnswer {
  if (!answer.ok) return answer;
  const isLease = answer.body.kind === 'Lease' && asObject(answer.body.metadata)?.name === name;
  const lease = isLease ? decodeLease(answer.body) : undefined;
  return lease === undefined ? refused('invalid', `the answer is not the Lease ${name}`) : { ok: true, lease };
}
