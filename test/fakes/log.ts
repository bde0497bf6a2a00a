import type { Log } from '../../src/telemetry/log.js';

/** A log that nobody reads. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
