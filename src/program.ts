import type { Supervision } from './supervisor/environment.js';

/** What this process is, as only the process itself knows. */
export interface Program {
  readonly version: string;
  readonly pid: number;
  /** The environment's PATH. */
  readonly searchPath: string;
  /** Whether the process was told to stop. */
  readonly isStopping: () => boolean;
  /** How whoever supervises it is told of its life, and CLOCK_MONOTONIC in microseconds; undefined when nobody does. */
  readonly supervision: (Supervision & { readonly monotonic: () => bigint }) | undefined;
  /** Where the daemon waits in whose place this one goes on; undefined when there is none. */
  readonly heirTo: string | undefined;
  /** How to start the program anew, to go on in place of this process with the one that waits at that path. */
  readonly heir: {
    readonly command: (path: string) => readonly string[];
    readonly environment: Readonly<Record<string, string | undefined>>;
    /** Why another process cannot go on, in a sentence; undefined when it can. */
    readonly refusal: string | undefined;
  };
}
