import type { Instant } from '../time/instant.js';
import type { Leadership } from './leadership.js';

/** What an election that leads leaves to the one that goes on in another process of this node: until when it may act on that. */
export interface Bequest {
  readonly until: Instant;
  /** The renewTimes of the latest writes to the Lease: by them a record is known to be this node's own. */
  readonly written?: readonly string[];
}

/** What the VIP needs of an election, whichever it is. */
export interface Election {
  /**
   * Begins to contend; `onChange` is called whenever `leadership()` may answer otherwise, `onContested` when another who thought that
   * he leads was put right, and may have announced the address.
   * @param bequest what an earlier process of this node ceded: it leads on with that
   */
  start(onChange: () => void, onContested?: () => void, bequest?: Bequest): void;
  /** What holds at this very moment: the election looks at the clock first, so that a pause of the process is noticed. */
  leadership(): Leadership;
  /** Another host claimed the address, or probed for it. */
  claimed(): void;
  /** Nobody else on the LAN has the address. */
  unclaimed(): void;
  /** Whether this node can serve the VIP; if not, the election gives it to another. */
  able(able: boolean): void;
  /** Whether the address is, or may be, on this node. It is given away only when it is off. */
  address(on: boolean): void;
  /** Gives up leadership, waits until the address is off, gives it away. */
  stop(): Promise<void>;
  /**
   * Decides nothing any more, and gives nothing up: another process of this node is to go on. Resolves when nothing that was decided
   * before is still under way, with what it has to leave; undefined when it does not lead. Only `stop` may follow, which then gives nothing away.
   */
  cede(): Promise<Bequest | undefined>;
}
