import type { Readable } from 'node:stream';
import type { Options } from 'yargs';
import type { Configuration } from '../admin/reload.js';
import type { Clock } from '../time/clock.js';
import { exitCodes } from './exit-codes.js';

/** One command of `vipd`: parse, call, print. */
export interface Command {
  /** `['start']`, `['config', 'check']`. */
  readonly words: readonly [string, ...string[]];
  readonly aliases?: readonly string[];
  /** False for what only vipd itself calls. */
  readonly describe: string | false;
  /** The one word that follows the command's own, if it takes one. */
  readonly operand?: { readonly name: string; readonly describe: string };
  /** By name without the dashes, in the words of yargs. */
  readonly options: Readonly<Record<string, Options>>;
  /** Returns the exit code; what it throws is a failure, printed as one sentence. */
  run(args: Arguments, io: CliIo): Promise<number>;
}

export type Arguments = Readonly<Record<string, unknown>>;

/** What commands touch outside of themselves. */
export interface CliIo {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Readable;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly version: string;
  readonly clock: Clock;
  /** How this process was started, and as whom. */
  readonly self: { readonly node: string; readonly script: string; readonly pid: number; readonly uid: number };
  /** Aborted by SIGINT and SIGTERM. */
  readonly stop: AbortSignal;
  /**
   * Runs the daemon until it is stopped; the exit code.
   * @param heirTo the path where the running daemon waits, in whose place this one is to go on
   */
  startDaemon(configuration: Configuration, heirTo?: string): Promise<number>;
}

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
}

/** Prints what is wrong with usage or configuration, a line each. */
export function refuseUsage(io: CliIo, problems: readonly string[]): number {
  for (const problem of problems) io.stderr.write(`vipd: ${problem}\n`);
  return exitCodes.usage;
}

/** Prints what is not wrong, but not as one may think either. */
export function warn(io: CliIo, warnings: readonly string[]): void {
  for (const warning of warnings) io.stderr.write(`vipd: warning: ${warning}\n`);
}
