import type { Ip } from '../net/ip.js';

export interface Backend {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
}

/** A backend as it is known: where it comes from, and what its checks say. */
export interface Candidate extends Backend {
  /** What Kubernetes says of its node; true for static backends. */
  readonly ready: boolean;
  readonly up: boolean;
}

/**
 * The backends that new connections may take. A node that Kubernetes calls NotReady is left out while any node is Ready: when
 * none is, it is the API that knows nothing, not the nodes that are gone. The last one lost, a control-plane node serves its own
 * API server (`local`) rather than nothing.
 */
export function eligible(candidates: readonly Candidate[], local: Backend | undefined): readonly Backend[] {
  const anyReady = candidates.some((c) => c.ready);
  const usable = candidates.filter((c) => c.up && (c.ready || !anyReady));
  if (usable.length > 0) return usable.map(({ name, ip, port }) => ({ name, ip, port }));
  return local === undefined ? [] : [local];
}
