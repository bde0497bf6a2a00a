import { pino, stdTimeFunctions } from 'pino';
import type { LogFormat, LogLevel } from '../config/settings.js';
import type { LogOutput } from './log-output.js';
import { textLine } from './log-text.js';

/**
 * What all parts of the daemon write to. A state change is one line with `from`, `to` and `because`; field names are camelCase.
 * Writing never throws and never waits.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A log whose level can be changed while it is written to. */
export interface LeveledLog extends Log {
  setLevel(level: LogLevel): void;
}

/** An Error is shown by its message, with its stack when the level is debug. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly node: string;
  readonly output: LogOutput;
}

/**
 * A log whose lines have time (RFC 3339), level, node, message and fields. Lines that the output cannot take are counted, and a
 * line says how many when it takes lines again.
 */
export function createLog({ level, format, node, output }: LogOptions): LeveledLog {
  const put = (json: string) => output.write(format === 'json' ? json : textLine(json));
  let dropped = 0;
  const write = (json: string) => {
    if (dropped > 0) {
      const fields = { level: 'warn', time: new Date().toISOString(), node, dropped, msg: 'log lines were dropped' };
      if (put(`${JSON.stringify(fields)}\n`)) dropped = 0;
    }
    if (dropped > 0 || !put(json)) dropped++;
  };
  const logger = pino(
    {
      level,
      base: { node },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  const shows = (fields: LogFields): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [fieldName(name), shown(value, logger.level === 'debug')]),
    );
  return {
    debug: (message, fields = {}) => logger.debug(shows(fields), message),
    info: (message, fields = {}) => logger.info(shows(fields), message),
    warn: (message, fields = {}) => logger.warn(shows(fields), message),
    error: (message, fields = {}) => logger.error(shows(fields), message),
    setLevel(next) {
      logger.level = next;
    },
  };
}

/** A field must not take the place of what every line has. */
function fieldName(name: string): string {
  return ['time', 'level', 'node', 'msg'].includes(name) ? `${name}_` : name;
}

function shown(value: unknown, withStack: boolean): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  return withStack && value.stack !== undefined ? value.stack : messages(value);
}

/** The message of an error and of what caused it. */
function messages(error: Error, depth = 0): string {
  const cause = error.cause instanceof Error && depth < 4 ? `: ${messages(error.cause, depth + 1)}` : '';
  return `${error.message}${cause}`;
}
