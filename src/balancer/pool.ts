import type { Ip } from '../net/ip.js';

export interface Backend {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
}

/** A backend that may get connections. */
export interface WeightedBackend extends Backend {
  /** Its part of the connections beside the others': a whole number from 1 to 256. */
  readonly weight: number;
}

/** A backend as it is known: where it comes from, and what its checks and the operator say. */
export interface Candidate extends WeightedBackend {
  /** What Kubernetes says of its node; true for static backends. */
  readonly ready: boolean;
  readonly up: boolean;
  /** The operator wants it to get no new connections. */
  readonly drained: boolean;
}

export interface Share extends WeightedBackend {
  /** Gets no new connections; open ones go on. */
  readonly draining: boolean;
}

/**
 * Who gets connections. A node that Kubernetes calls NotReady gets no new ones while any node is Ready: when none is, it is the API
 * that knows nothing, not the nodes that are gone. The last one lost, a control-plane node serves its own API server (`local`)
 * rather than nothing. Who gets no new ones keeps its open ones, except that those of a backend that is down are kept only on
 * request. `isLastResort`: it is the local API server that serves.
 */
export function shareOut(
  candidates: readonly Candidate[],
  local: readonly WeightedBackend[],
  whenDown: 'close' | 'keep',
): { readonly shares: readonly Share[]; readonly isLastResort: boolean } {
  const anyReady = candidates.some((c) => c.ready);
  const usable = candidates.filter((c) => c.up && !c.drained && (c.ready || !anyReady));
  const isLastResort = usable.length === 0 && local.length > 0;
  const takers: readonly WeightedBackend[] = isLastResort ? local : usable;
  const keepers = candidates.filter((c) => c.up || whenDown === 'keep');
  const shares = [...takers.map((b) => share(b, false)), ...keepers.map((b) => share(b, true))];
  // One address has one share, whatever names it has; first come those that take connections.
  return { shares: shares.filter((s, index) => shares.findIndex((other) => isSame(other, s)) === index), isLastResort };
}

export function isSame(a: Backend, b: Backend): boolean {
  return a.ip === b.ip && a.port === b.port;
}

function share({ name, ip, port, weight }: WeightedBackend, draining: boolean): Share {
  return { name, ip, port, weight, draining };
}
