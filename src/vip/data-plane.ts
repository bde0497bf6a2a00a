import type { Ip } from '../net/ip.js';

/** A backend that new connections may take. */
export interface PlaneBackend {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
}

export interface PlaneBackendStats {
  readonly name: string;
  readonly open: number;
  readonly total: number;
  /** Attempts that the backend refused or did not answer in time. */
  readonly failed: number;
  /** Connections that ended with a reset from the backend's side, or from ours towards it. */
  readonly reset: number;
  readonly bytesFromClient: bigint;
  readonly bytesToClient: bigint;
}

export interface PlaneStats {
  /** Clients refused because no backend took them. */
  readonly refused: number;
  readonly backends: readonly PlaneBackendStats[];
}

/**
 * What carries connections from VIP:port to backends: the balancer in front of it decides which, and cannot tell one from another.
 * None of these calls fails: what cannot be done is said in the log and by `trouble`.
 */
export interface DataPlane extends Disposable {
  readonly mode: 'proxy';
  /** Takes connections, to the backends set last. */
  open(): Promise<void>;
  /** Whom new connections may take; with none they are refused at once. */
  setBackends(backends: readonly PlaneBackend[]): void;
  /** Ends the open connections to one backend. */
  resetBackend(name: string): void;
  /** Refuses what comes and ends what is open; settles when the clients have been told, or after a bounded time. */
  reset(): Promise<void>;
  close(): Promise<void>;
  /** Why clients of VIP:port do not reach it; undefined when they do. */
  trouble(): string | undefined;
  stats(): PlaneStats;
}
