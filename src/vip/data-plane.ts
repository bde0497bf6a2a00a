import type { Ip } from '../net/ip.js';
import { type Millis, millis } from '../time/instant.js';

/** A backend of a VIP's services. */
export interface PlaneBackend {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
  /** Its part of the connections beside the others': a whole number from 1 to 256. */
  readonly weight: number;
  /** Gets no new connections; open ones go on. */
  readonly draining: boolean;
}

/** How connections are taken and given out. */
export interface PlaneConfig {
  readonly ports: readonly number[];
  readonly scheduler: 'roundrobin' | 'leastconn';
  /** Whether backends may have other weights than 1, now or while others are down. */
  readonly weighted: boolean;
  /** How long the proxy waits for a backend; in the kernel's planes the client waits, and tries again, by itself. */
  readonly connectTimeout: Millis;
  /** The proxy's alone. */
  readonly proxyProtocol: 'off' | 'v2';
}

export interface PlaneBackendStats {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
  readonly open: number;
  readonly total: number;
  /** Attempts that the backend refused or did not answer in time. Undefined where the kernel does not tell. */
  readonly failed: number | undefined;
  /** Connections that ended with a reset from the backend's side, or from ours towards it. Undefined where the kernel does not tell. */
  readonly reset: number | undefined;
  /** Payload in the proxy, whole IP packets in the kernel. */
  readonly bytesFromClient: bigint;
  readonly bytesToClient: bigint;
}

export interface PlaneStats {
  /** Clients refused because no backend took them. Undefined where the kernel does not tell. */
  readonly refused: number | undefined;
  /** Connections that ended, by two letters for why. Undefined where the kernel does not tell. */
  readonly endings?: Readonly<Record<string, number>>;
  readonly backends: readonly PlaneBackendStats[];
}

/**
 * What carries connections from VIP:port to backends: the balancer in front of it decides which, and cannot tell one from another.
 * None of these calls fails but `change`: what cannot be done is said in the log and by `trouble`.
 */
export interface DataPlane extends Disposable {
  readonly mode: 'ipvs' | 'nftables' | 'proxy';
  /** Takes connections, to the backends set last. */
  open(): Promise<void>;
  /**
   * Whom connections go to from now on; with nobody who takes new ones they are refused at once. The open connections of a backend
   * that is no longer among them are reset.
   */
  setBackends(backends: readonly PlaneBackend[]): void;
  /** Does it in another way from now on; open connections live on. Throws KernelError, with nothing changed, when a port is taken. */
  change(config: PlaneConfig): void;
  /** Refuses what comes and ends what is open; settles when the clients have been told, or after a bounded time. */
  reset(): Promise<void>;
  close(): Promise<void>;
  /** Why clients of VIP:port do not reach it; undefined when they do. */
  trouble(): string | undefined;
  /** Settles when what was asked for is done, or has failed: `trouble` says so. */
  settled(): Promise<void>;
  /** Reads anew what `stats` says; false when that cannot be. */
  look(): Promise<boolean>;
  stats(): PlaneStats;
}

/** Those of `before` whose address is not in `next`: a name is only what an operator calls it. */
export function goneFrom(before: readonly PlaneBackend[], next: readonly PlaneBackend[]): readonly PlaneBackend[] {
  return before.filter((b) => !next.some((n) => n.ip === b.ip && n.port === b.port));
}

/**
 * How long the ends of connections that the kernel forwards have to answer what makes them hear of the end (`Flows.reset`), before
 * the address goes and their answers with it: a round trip, even to a client who is far away.
 */
export const farewell = millis(50);
