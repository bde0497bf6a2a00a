import type { Leadership } from './leadership.js';

/** What the VIP needs of an election, whichever it is. */
export interface Election {
  /**
   * Begins to contend; `onChange` is called whenever `leadership()` may answer otherwise, `onContested` when another who thought that
   * he leads was put right, and may have announced the address.
   */
  start(onChange: () => void, onContested?: () => void): void;
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
}
