import type { DaemonStatus } from '../vip/status.js';

/** What operators can do to a running daemon. */
export interface Control {
  status(): DaemonStatus | Promise<DaemonStatus>;
  /**
   * A draining backend gets no new connections and keeps those that it has, until it is resumed or the daemon ends; a reload does
   * not change that. What is so already is no refusal.
   */
  setDraining(request: DrainRequest): ControlAnswer | Promise<ControlAnswer>;
  /**
   * Has a new process of the program that is installed now go on in place of this one, with the file as it is now; connections live on.
   * Never rejects; when it comes to nothing, this process goes on as if nothing had been.
   */
  upgrade(): Promise<ControlAnswer>;
  /** Reads the file again and applies what changed, all of it or nothing. Never rejects; a second reload waits for the first. */
  reload(): Promise<ControlAnswer>;
}

export interface DrainRequest {
  readonly backend: string;
  /** Undefined: every VIP that has the backend. */
  readonly vip: string | undefined;
  readonly draining: boolean;
}

export type ControlRefusal =
  | 'unknown-backend'
  | 'unknown-vip'
  /** File, environment or flags are wrong. */
  | 'invalid'
  | 'needs-restart'
  /** The kernel, or something else outside of the daemon, refused. */
  | 'failed';

export type ControlAnswer =
  /** A line for each change, such as `api: cp1: up → draining`; none when all was so already. */
  { readonly ok: true; readonly changes: readonly string[] } | Refused;

export interface Refused {
  readonly ok: false;
  readonly refusal: ControlRefusal;
  /** At least one sentence for the operator. */
  readonly problems: readonly string[];
}
