import type { ApiNeeds } from './access.js';
import { appName, labels, podNamespace } from './pod.js';
import type { Resource } from './yaml.js';

const rbac = 'rbac.authorization.k8s.io';

/** The service account, and the rights that the settings need of it: nothing more. */
export function rbacResources(needs: ApiNeeds, version: string): readonly Resource[] {
  const { leases } = needs;
  const meta = (namespace?: string) => ({ name: appName, namespace, labels: labels(version) });
  const subjects = [{ kind: 'ServiceAccount', name: appName, namespace: podNamespace }];
  const resources: Resource[] = [{ value: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta(podNamespace) } }];
  const binding = (kind: 'Role' | 'ClusterRole', namespace?: string): Resource => ({
    value: {
      apiVersion: `${rbac}/v1`,
      kind: `${kind}Binding`,
      metadata: meta(namespace),
      roleRef: { apiGroup: rbac, kind, name: appName },
      subjects,
    },
  });
  for (const namespace of new Set(leases.map((lease) => lease.namespace))) {
    const names = leases.filter((lease) => lease.namespace === namespace).map(({ name }) => name);
    const lease = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };
    resources.push(
      {
        value: {
          apiVersion: `${rbac}/v1`,
          kind: 'Role',
          metadata: meta(namespace),
          rules: [
            { ...lease, resourceNames: names, verbs: ['get', 'update', 'list', 'watch'] },
            { ...lease, verbs: ['create'] },
            ...(needs.events ? [{ apiGroups: [''], resources: ['events'], verbs: ['create'] }] : []),
          ],
        },
        remarks: [[['rules', 1], 'Kubernetes cannot limit this to a name.']],
      },
      binding('Role', namespace),
    );
  }
  const { verbs, remark } = nodeRights(needs);
  if (verbs.length > 0) {
    resources.push(
      {
        value: {
          apiVersion: `${rbac}/v1`,
          kind: 'ClusterRole',
          metadata: meta(),
          rules: [{ apiGroups: [''], resources: ['nodes'], verbs }],
        },
        remarks: [[['rules', 0], remark]],
      },
      binding('ClusterRole'),
    );
  }
  return resources;
}

/** What may be done with Nodes, and why. */
function nodeRights({ nodes, annotations, labels }: ApiNeeds): { verbs: readonly string[]; remark: string } {
  const reasons = [
    ...(nodes ? ['The backends are the control-plane nodes, watched.'] : []),
    ...(annotations ? ['Annotations of its Node name interfaces.'] : []),
    ...(labels ? ['Its Node is labelled; Kubernetes cannot limit this to labels, nor to its own Node.'] : []),
  ];
  const verbs = [...(nodes || annotations ? ['list'] : []), ...(nodes ? ['watch'] : []), ...(labels ? ['patch'] : [])];
  return { verbs, remark: reasons.join(' ') };
}
