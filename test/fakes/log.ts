import type { Log } from '../../src/telemetry/log.js';

/** A log that nobody reads. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A log whose lines a test reads. */
export function createRecordingLog(): { readonly log: Log; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const write = (message: string, fields: object = {}) => void lines.push({ message, fields });
  return { log: { debug: write, info: write, warn: write, error: write }, lines };
}

interface LogLine {
  readonly message: string;
  readonly fields: object;
}
