/** What carries the connections that clients open to the VIP. Neither call fails: what cannot be done is said in the log. */
export interface DataPath {
  open(): Promise<void>;
  /** Refuses what comes and resets what is open; settles when the clients have been told, or after a bounded time. */
  reset(): Promise<void>;
  close(): Promise<void>;
}
