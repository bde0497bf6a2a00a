import type { ApiRefusal } from '../kubernetes/refusal.js';
import type { Ip } from '../net/ip.js';

/** A control-plane node as the API describes it. */
export interface ControlPlaneNode {
  readonly name: string;
  /** status.addresses of type InternalIP, in their order, both families. */
  readonly internalIps: readonly Ip[];
  /** The Ready condition is True. */
  readonly ready: boolean;
}

export type NodeWatchEvent =
  /** All control-plane nodes there are, by name. */
  | { readonly kind: 'nodes'; readonly nodes: readonly ControlPlaneNode[] }
  | { readonly kind: 'interrupted'; readonly refusal: ApiRefusal; readonly detail: string };

/** The control-plane nodes of the cluster (label node-role.kubernetes.io/control-plane, selected by the server). */
export interface NodeApi {
  /** Reports the nodes as they are and at every change, until disposed; reconnects and resynchronises by itself. */
  watch(onEvent: (event: NodeWatchEvent) => void): Disposable;
}
