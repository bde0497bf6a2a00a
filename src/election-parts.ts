import type { VipSettings } from './config/settings.js';
import type { NetworkChange } from './kernel/ports.js';
import type { LeaseReference } from './signs/api.js';
import type { Election } from './vip/election.js';
import type { VrrpStatus } from './vip/status.js';

/** The election of a VIP, and what else there is to it. */
export interface ElectionParts {
  readonly election: Election;
  /** Called before the election starts. */
  start(): void;
  /** Whether it knows what it must know to lead. */
  isPrepared(): boolean;
  /** Why it could not lead as things are, in words. */
  unable(): string | undefined;
  /** Called when the VIP is given up and away. */
  stop(): Promise<void>;
  /** Called when another process has gone on: nobody is told. */
  retire(): void;
  network(change: NetworkChange): void;
  /** Elects by other settings from now on. */
  change(settings: VipSettings): void;
  /** Whether a backend is up. */
  reaches(reaches: boolean): void;
  /** As `VipObserver.serves`. */
  serves(serves: boolean): void;
  /** As `Vip.isUnproven`. */
  isUnproven(): boolean;
  /** Undefined when no Lease elects. */
  lease(): LeaseReference | undefined;
  /** In seconds; undefined when no Lease was seen. */
  leaseAge(): number | undefined;
  /** As in the status. */
  alarm(): string | undefined;
  vrrp(): VrrpStatus | undefined;
  /** What the election itself knows, for a dump: plain data without secrets. */
  state(): unknown;
}

/** For an election that has nothing of it. */
export const nothingMore: Omit<ElectionParts, 'election'> = {
  start() {},
  isPrepared: () => true,
  unable: () => undefined,
  async stop() {},
  retire() {},
  network() {},
  change() {},
  reaches() {},
  serves() {},
  isUnproven: () => false,
  lease: () => undefined,
  leaseAge: () => undefined,
  alarm: () => undefined,
  vrrp: () => undefined,
  state: () => undefined,
};
