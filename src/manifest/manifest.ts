import type { LoadedSettings } from '../config/load.js';
import { apiNeeds } from './access.js';
import { type Variable, variablesOf } from './environment.js';
import { accessFor, adminConf, mountsFor } from './mounts.js';
import { appName, labels, type PodParts, podNamespace, podRemarks, podSpec } from './pod.js';
import { rbacResources } from './rbac.js';
import { yamlText } from './yaml.js';

export interface WorkloadChoices {
  /** By name, with or without a tag; undefined for the default. */
  readonly image: string | undefined;
  readonly version: string;
  /** The configuration file that was named. */
  readonly configFile: string | undefined;
  /** With a service account. */
  readonly inCluster: boolean;
}

export interface PodChoices extends WorkloadChoices {
  /** The first control-plane node, while kubeadm makes the cluster. */
  readonly isFirstNode: boolean;
}

export interface DaemonSetChoices extends WorkloadChoices {
  /** The control-plane nodes, tainted as they are. */
  readonly taint: boolean;
}

export type Printed =
  | { readonly ok: true; readonly text: string }
  /** A sentence each. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** kubeadm's own, with rights from the first moment; admin.conf has them when `kubeadm init` is nearly done (Kubernetes 1.29). */
const superAdminConf = '/etc/kubernetes/super-admin.conf';

/** A Pod for the kubelet's folder of static Pods. */
export function podManifest(loaded: LoadedSettings, choices: PodChoices): Printed {
  const { inCluster, isFirstNode } = choices;
  const isSuper = isFirstNode && loaded.settings.kubernetes.kubeconfig === undefined;
  const parts = podParts(loaded, choices, {
    isStatic: !inCluster,
    serviceAccount: inCluster,
    fallback: isSuper ? superAdminConf : adminConf,
  });
  if (!parts.ok) return parts;
  const head = inCluster
    ? 'vipd as a Pod with a service account: kubectl apply -f FILE, after that of `vipd manifest rbac`.'
    : 'vipd as a static Pod: /etc/kubernetes/manifests/vipd.yaml on each control-plane node.';
  const usesSuper = isSuper && typeof parts.access === 'object';
  const later = `\nFor \`kubeadm init\`, with super-admin.conf. When that is done, write the Pod with admin.conf over it: vipd manifest kubeadm join.`;
  const value = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: appName, namespace: podNamespace, labels: labels(choices.version) },
    spec: podSpec(parts),
  };
  const text = yamlText(usesSuper ? head + later : head, [{ value, remarks: podRemarks(['spec'], parts) }]);
  return { ok: true, text };
}

/** A DaemonSet with the service account of `rbacManifest`, or with a kubeconfig of the nodes when the settings name one. */
export function daemonSetManifest(loaded: LoadedSettings, choices: DaemonSetChoices): Printed {
  const { settings, effective } = loaded;
  const named = effective.global.get('node.name')?.origin;
  if (named?.kind === 'flag' || named?.kind === 'environment') {
    return refused(
      'node.name (--node-name, VIPD_NODE_NAME): the Pods of a DaemonSet would all have this name; remove it, and each is called as its node is',
    );
  }
  const serviceAccount = choices.inCluster || settings.kubernetes.kubeconfig === undefined;
  const parts = podParts(loaded, choices, { isStatic: false, serviceAccount, fallback: adminConf });
  if (!parts.ok) return parts;
  const name = { 'app.kubernetes.io/name': appName };
  const value = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: appName, namespace: podNamespace, labels: labels(choices.version) },
    spec: {
      selector: { matchLabels: name },
      template: {
        metadata: { labels: labels(choices.version) },
        spec: { ...(choices.taint ? controlPlane : {}), ...podSpec(parts) },
      },
    },
  };
  const after = parts.access === 'service-account' ? ', after that of `vipd manifest rbac`' : '';
  const head = `vipd as a DaemonSet${choices.taint ? ' on the control-plane nodes' : ''}: kubectl apply -f FILE${after}.`;
  return { ok: true, text: yamlText(head, [{ value, remarks: podRemarks(['spec', 'template', 'spec'], parts) }]) };
}

/** What `kubectl apply` gives the service account of the other manifests. */
export function rbacManifest({ settings }: LoadedSettings, version: string): Printed {
  const needs = apiNeeds(settings);
  if (needs.leases.length === 0 && !needs.nodes && !needs.labels) {
    return refused(
      'neither election nor backends ask the Kubernetes API with these settings, so there are no rights to give',
    );
  }
  const head = 'The service account vipd, and the rights that it needs: kubectl apply -f FILE.';
  return { ok: true, text: yamlText(head, rbacResources(needs, version)) };
}

const controlPlane = {
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }] },
        ],
      },
    },
  },
  tolerations: [
    { effect: 'NoSchedule', operator: 'Exists' },
    { effect: 'NoExecute', operator: 'Exists' },
  ],
};

function podParts(
  loaded: LoadedSettings,
  { image, version, configFile }: WorkloadChoices,
  as: { readonly isStatic: boolean; readonly serviceAccount: boolean; readonly fallback: string },
): ({ readonly ok: true } & PodParts) | { readonly ok: false; readonly problems: readonly string[] } {
  const { settings, effective } = loaded;
  const name = imageName(image ?? defaultImage, version);
  if (name === undefined)
    return refused(`--image: ${JSON.stringify(image)} is not the name of an image; write one, such as ${defaultImage}`);
  if (as.serviceAccount && settings.kubernetes.kubeconfig !== undefined)
    return refused(
      '--inCluster: the service account is used, but kubernetes.kubeconfig (--kubeconfig, VIPD_KUBECONFIG) is given too; remove one',
    );
  const access = accessFor(apiNeeds(settings), loaded, as);
  const found = mountsFor(loaded, { access, configFile });
  if (!found.ok) return found;
  const { mounts } = found;
  const variables = [
    ...(configFile === undefined ? [] : [{ name: 'VIPD_CONFIG', value: configFile }]),
    ...variablesOf(effective, ['kubernetes.kubeconfig']),
    ...nodeName(loaded),
  ];
  return { ok: true, image: name, settings, variables, access, mounts, isStatic: as.isStatic };
}

/** As the node is called, unless somebody has said otherwise. */
function nodeName({ effective }: LoadedSettings): readonly Variable[] {
  if (effective.global.get('node.name')?.origin.kind !== 'default') return [];
  return [{ name: 'VIPD_NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }];
}

/** No registry has one: it is what a build on this host is called. */
export const defaultImage = 'localhost/vipd';

/** With this version as its tag when it has none; undefined when it is no name (distribution/reference). */
function imageName(image: string, version: string): string | undefined {
  const [, name = '', tag, digest] =
    /^((?:[A-Za-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/.exec(
      image,
    ) ?? [];
  if (name === '') return undefined;
  return tag === undefined && digest === undefined ? `${name}:${version}` : image;
}

function refused(problem: string): { readonly ok: false; readonly problems: readonly string[] } {
  return { ok: false, problems: [problem] };
}
