/** What carries the connections that clients open to the VIP. Neither call fails: what cannot be done is said in the log. */
export interface DataPath {
  open(): Promise<void>;
  /** Resets what is open and refuses what comes. */
  reset(): void;
  close(): Promise<void>;
}
