import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';

interface Probe {
  readonly httpGet: object;
}

export interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: {
    readonly capabilities: { readonly add: readonly string[]; readonly drop: readonly string[] };
    readonly [key: string]: unknown;
  };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

/** The spec of a printed Pod, as far as tests look. */
export interface Pod {
  readonly hostNetwork: boolean;
  readonly priority?: number;
  readonly priorityClassName: string;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly tolerations?: readonly { readonly effect: string }[];
  readonly affinity?: object;
  readonly containers: readonly Container[];
  readonly volumes: readonly {
    readonly name: string;
    readonly hostPath: { readonly path: string; readonly type: string };
  }[];
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Pod & { readonly template?: { readonly spec: Pod } };
  readonly rules?: readonly Rule[];
}

/** What Kubernetes reads, which is YAML 1.1. */
export function resourcesOf(text: string): readonly Resource[] {
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Resource;
  });
}

export function podOf(text: string): Pod {
  const [resource, ...others] = resourcesOf(text);
  const spec = resource?.spec?.template?.spec ?? resource?.spec;
  assert.ok(spec !== undefined && others.length === 0);
  return spec;
}

export function containerOf(pod: Pod): Container {
  const [container, ...others] = pod.containers;
  assert.ok(container !== undefined && others.length === 0);
  return container;
}

/** What the container sees on a node of this name. */
export function environmentOf(pod: Pod, node: string): Record<string, string> {
  return Object.fromEntries(
    containerOf(pod).env.map(({ name, value, valueFrom }) => {
      if (valueFrom === undefined) assert.equal(typeof value, 'string', name);
      else assert.deepEqual(valueFrom, { fieldRef: { fieldPath: 'spec.nodeName' } });
      return [name, value ?? node];
    }),
  );
}
