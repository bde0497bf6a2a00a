import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Namespace } from './network.js';

/** How a daemon ended, and when by the wall clock (milliseconds since 1970). */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly at: number;
}

/** A long-running process in a namespace; what it prints goes to its log. */
export interface Daemon {
  readonly pid: number;
  readonly log: string;
  /** False once it has ended. */
  running(): boolean;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Ending>;
}

/**
 * Starts a daemon.
 * @param log the file to which its output is appended
 */
export async function startDaemon(
  namespace: Namespace,
  command: string,
  args: readonly string[],
  log: string,
): Promise<Daemon> {
  const output = createWriteStream(log, { flags: 'a' });
  await once(output, 'open');
  const child = namespace.spawn(command, args, { stdio: ['ignore', output, output] });
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal, at: Date.now() }));
  });
  await once(child, 'spawn');
  output.close();
  return {
    pid: child.pid as number,
    log,
    running: () => child.exitCode === null && child.signalCode === null,
    signal: (name) => void child.kill(name),
    ended,
  };
}
