import type { Settings } from '../config/settings.js';
import { neededCapabilities } from '../host.js';
import type { Variable } from './environment.js';
import type { Access, Mount } from './mounts.js';
import type { Remark } from './yaml.js';

/** The name of everything that the manifests make: not kube-vip's, so that the two can be told apart while one replaces the other. */
export const appName = 'vipd';
export const podNamespace = 'kube-system';

export function labels(version: string): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/name': appName, 'app.kubernetes.io/version': version };
}

export interface PodParts {
  readonly image: string;
  readonly settings: Settings;
  readonly variables: readonly Variable[];
  readonly access: Access;
  readonly mounts: readonly Mount[];
  /** Started by the kubelet from a file. */
  readonly isStatic: boolean;
}

/** The spec of a Pod that runs the daemon on its node's own network. */
export function podSpec({ image, settings, variables, access, mounts, isStatic }: PodParts): object {
  return {
    priorityClassName: 'system-node-critical',
    // Of a static Pod the kubelet knows no class, only the number.
    priority: isStatic ? 2_000_001_000 : undefined,
    hostNetwork: true,
    enableServiceLinks: false,
    ...(access === 'service-account' ? { serviceAccountName: appName } : { automountServiceAccountToken: false }),
    terminationGracePeriodSeconds: 20,
    containers: [
      {
        name: appName,
        image,
        imagePullPolicy: 'IfNotPresent',
        args: ['start'],
        env: variables,
        ...probes(settings),
        resources: { requests: { cpu: '50m', memory: '100Mi' } },
        securityContext: {
          runAsUser: 0,
          runAsGroup: 0,
          privileged: false,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'], add: neededCapabilities(settings).map(([name]) => name) },
          seccompProfile: { type: 'RuntimeDefault' },
        },
        volumeMounts: mounts.map(({ name, mountPath, readOnly }) => ({
          name,
          mountPath,
          readOnly: readOnly ? true : undefined,
        })),
      },
    ],
    volumes: mounts.map(({ name, hostPath, type }) => ({ name, hostPath: { path: hostPath, type } })),
  };
}

/** Port and probes; none when the daemon does not listen. The kubelet asks the node's address, or the one that is listened on. */
function probes({ metrics, health }: Settings): object {
  const listen = health.listen ?? metrics.listen;
  const ports =
    metrics.listen === undefined ? {} : { ports: [{ name: 'metrics', containerPort: metrics.listen.port }] };
  if (listen === undefined) return ports;
  const host = ['', '0.0.0.0', '::'].includes(listen.host) ? undefined : listen.host;
  const probe = (path: string, periodSeconds: number) => ({
    httpGet: { path, port: listen.port, host },
    periodSeconds,
    timeoutSeconds: 5,
    failureThreshold: 3,
  });
  return {
    ...ports,
    livenessProbe: { ...probe('/livez', 10), initialDelaySeconds: 5 },
    readinessProbe: probe('/readyz', 5),
  };
}

/** @param at where the Pod's spec is */
export function podRemarks(at: readonly string[], { settings, mounts }: PodParts): readonly Remark[] {
  const container = [...at, 'containers', 0];
  const volume = (name: string) => [...at, 'volumes', mounts.findIndex((mount) => mount.name === name)];
  const isAsked = (settings.health.listen ?? settings.metrics.listen) !== undefined;
  const noProbes = isAsked ? '' : 'No probes: metrics.listen is off, and so is health.listen.\n';
  return [
    [[...at, 'terminationGracePeriodSeconds'], 'The VIP is handed over in order: seconds when an API server is slow.'],
    [[...container, 'env'], 'Any setting of docs/configuration.md, by its variable.'],
    [
      [...container, 'resources'],
      `${noProbes}No limits: what is throttled or killed under load takes the VIP with it.`,
    ],
    [
      [...container, 'securityContext', 'runAsUser'],
      'Root, but for all rights except these: Kubernetes gives capabilities to no other user (it has no ambient ones).',
    ],
    [
      volume('sysctls'),
      'What IPVS and nftables need set: a container sees /proc/sys read-only. Without it, balancing is by the proxy.',
    ],
    [volume('run'), 'The socket of `vipd status`, and what a killed daemon is to give back: it outlives the Pod.'],
  ];
}
