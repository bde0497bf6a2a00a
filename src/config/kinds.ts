import * as z from 'zod/mini';
import { type Millis, millis } from '../time/instant.js';
import { adminSocketBytes } from './admin-socket.js';

/** A kind of value: how it is called, how it is checked and read, and how a flag or the environment writes it. */
export interface Kind<T> {
  /** For the documentation: `duration`, `port list`, `tcp`. */
  readonly words: string;
  readonly schema: z.ZodMiniType<T>;
  /** A flag given several times is one longer list. */
  readonly isList: boolean;
  /** What the file would hold for this text of a flag or an environment variable. */
  fromText(text: string): unknown;
}

/** What is wrong with a text, and the mend. */
export class Wrong {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** No timer of Node lasts longer than 24 days; nothing here sensibly lasts longer than one. */
const longestDuration = 24 * 3600_000;
const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3600_000 };

interface DurationBounds {
  readonly min?: string;
  readonly wholeSeconds?: boolean;
}

/** `5s`, `300ms`, `1m`, `1.5s`: never a plain number. At most a day, at least `min` (1ms if not given). */
export function duration(bounds: DurationBounds = {}): Kind<Millis> {
  return scalar('duration', (text) => readDuration(text, bounds), durationNeedsUnit);
}

/** A duration, or the word `off`. */
export function durationOrOff(bounds: DurationBounds): Kind<Millis | 'off'> {
  return scalar('duration or `off`', (text) => (text === 'off' ? text : readDuration(text, bounds)), durationNeedsUnit);
}

/** A whole number from `min` to `max`. `special` may have a better word about what is none. */
export function count(
  min: number,
  max: number,
  special: (input: unknown) => string | undefined = () => undefined,
): Kind<number> {
  const error = wrong(
    (input) =>
      special(input) ?? `${shown(input)} is not a whole number from ${min} to ${max}; write one, such as ${min}`,
  );
  return {
    words: `number, ${min} to ${max}`,
    schema: z.int({ error }).check(z.minimum(min, { error }), z.maximum(max, { error })),
    isList: false,
    fromText: numberFromText,
  };
}

export const boolean: Kind<boolean> = {
  words: '`true`, `false`',
  schema: z.boolean({ error: wrong((input) => `${shown(input)} is neither true nor false; write one of them`) }),
  isList: false,
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
};

/** One of the words. */
export function choice<const T extends string>(values: readonly T[]): Kind<T> {
  const listed = values.join(', ');
  const error = wrong(
    (input) => `${shown(input)} is not known; write ${values.length === 1 ? listed : `one of ${listed}`}`,
  );
  return {
    words: values.map((value) => `\`${value}\``).join(', '),
    schema: z.enum(values, { error }) as unknown as z.ZodMiniType<T>,
    isList: false,
    fromText: (text) => text,
  };
}

/** RFC 1123 label: at most 63 of a-z, 0-9 and `-`, which neither begins nor ends it. */
export const dnsLabel: Kind<string> = scalar('name', (text) =>
  /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)
    ? text
    : new Wrong(`${shown(text)} is not a DNS label; use at most 63 lower-case letters, digits and inner hyphens`),
);

/** RFC 1123 subdomain, as Kubernetes wants the names of nodes and Leases: labels joined by dots, at most 253 characters. */
export const dnsSubdomain: Kind<string> = scalar('name', (text) => {
  if (text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text)) return text;
  const mend =
    text.toLowerCase() !== text
      ? `write ${shown(text.toLowerCase())}`
      : 'use lower-case letters, digits, inner hyphens and dots';
  return new Wrong(`${shown(text)} is not a name as Kubernetes wants it (RFC 1123); ${mend}`);
});

/** IFNAMSIZ is 16 with the final zero; dev_valid_name() in net/core/dev.c. */
export const interfaceName: Kind<string> = scalar('interface', readInterfaceName);

function readInterfaceName(text: string): string | Wrong {
  return /^[^\s/:]{1,15}$/.test(text) && text !== '.' && text !== '..'
    ? text
    : new Wrong(`${shown(text)} cannot be an interface; write the name that \`ip link\` shows, such as eth0`);
}

/** The name of an interface, or a regular expression between slashes, which no name has. */
export function readInterfaceSelector(text: string): string | RegExp | Wrong {
  const pattern = /^\/(.+)\/$/s.exec(text)?.[1];
  if (pattern === undefined) return readInterfaceName(text);
  try {
    return new RegExp(pattern);
  } catch (error) {
    return new Wrong(`${error instanceof Error ? error.message : error}; write one such as /^en/`);
  }
}

export const interfaceSelector: Kind<string | RegExp> = scalar(
  'interface, or a regular expression between slashes',
  readInterfaceSelector,
);

export const filePath: Kind<string> = scalar('path', (text) =>
  text !== '' && !text.includes('\0') ? text : new Wrong(`${shown(text)} is not a path; write the name of a file`),
);

/** A path, or an empty text for none. */
export const filePathOrNone: Kind<string | undefined> = scalar('path', (text) =>
  text.includes('\0') ? new Wrong(`${shown(text)} is not a path; write the name of a file`) : text || undefined,
);

/** What a password may be: any text on one line, or none. */
export const password: Kind<string> = scalar(
  'text',
  (text) =>
    /^\P{Cc}{0,256}$/u.test(text)
      ? text
      : new Wrong('the text has control characters or more than 256 of others; write a shorter one on one line'),
  // A sentence that shows it would end up in the log.
  () => 'what is written is not a text; write it as one, in quotes if need be',
);

/** The request target of RFC 9112 section 3.2.1: an absolute path and, if need be, a query. */
export const httpPath: Kind<string> = scalar('path', (text) =>
  /^\/[!-"$-~]{0,1023}$/.test(text)
    ? text
    : new Wrong(`${shown(text)} is not the path of a URL; write one that begins with /, such as /readyz`),
);

export const socketPath: Kind<string> = scalar('absolute path', (text) => {
  if (!text.startsWith('/') || text.includes('\0')) {
    return new Wrong(`${shown(text)} is not an absolute path; write one, such as /run/vipd/vipd.sock`);
  }
  if (new TextEncoder().encode(text).length > adminSocketBytes)
    return new Wrong(
      `the path is longer than the ${adminSocketBytes} bytes that a socket of vipd may have; use a shorter one`,
    );
  return text;
});

export const port: Kind<number> = count(1, 65535);

export const ports: Kind<readonly number[]> = list(
  port,
  'list of ports',
  'write a list, such as [6443]',
  (value, earlier) => (earlier.includes(value) ? `port ${value} is given twice; name each port once` : undefined),
);

/** Final statuses of HTTP. */
export const statuses: Kind<readonly number[]> = list(
  count(200, 599),
  'list of HTTP statuses',
  'write a list, such as [200, 401]',
);

/** How a value is shown in a sentence: short, on one line, whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

/** A value that is written as one text; `read` makes it, or says what is wrong. `notText` is said of what is no text. */
export function scalar<T>(
  words: string,
  read: (text: string) => T | Wrong,
  notText: (input: unknown) => string = (input) =>
    input === undefined
      ? 'it is missing; write it'
      : `${shown(input)} is not a text; write it as one, in quotes if need be`,
): Kind<T> {
  return {
    words,
    schema: z.pipe(
      z.string({ error: wrong(notText) }),
      z.transform((text, context) => {
        const value = read(text);
        if (!(value instanceof Wrong)) return value;
        context.issues.push({ code: 'custom', message: value.message, input: text });
        return z.NEVER;
      }),
    ),
    isList: false,
    fromText: (text) => text,
  };
}

/** A list, which may be empty only with `mayBeEmpty`; `refuse` may say what is wrong with an item beside the earlier ones. */
export function list<T>(
  item: Kind<T>,
  words: string,
  mend: string,
  refuse: (value: T, earlier: readonly T[]) => string | undefined = () => undefined,
  mayBeEmpty = false,
): Kind<readonly T[]> {
  const error = wrong((input) => `${shown(input)} is not a list; ${mend}`);
  const schema = z.array(item.schema, { error }).check(
    z.minLength(mayBeEmpty ? 0 : 1, { error: `the list is empty; ${mend}` }),
    z.superRefine((values, context) => {
      values.forEach((value, index) => {
        const message = refuse(value, values.slice(0, index));
        if (message !== undefined) context.addIssue({ code: 'custom', message, path: [index] });
      });
    }),
  );
  return {
    words,
    schema,
    isList: true,
    fromText: (text) => (mayBeEmpty && text === '' ? [] : text.split(',')).map((part) => item.fromText(part.trim())),
  };
}

function wrong(message: (input: unknown) => string) {
  return (issue: { readonly input?: unknown }) => message(issue.input);
}

function numberFromText(text: string): unknown {
  return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text;
}

function durationNeedsUnit(input: unknown): string {
  return typeof input === 'number'
    ? `${input} has no unit; write ${input}s for seconds or ${input}ms for milliseconds`
    : `${shown(input)} is not a duration; write a number with its unit, such as 5s, 300ms or 1m`;
}

function readDuration(text: string, bounds: DurationBounds): Millis | Wrong {
  const value = durationMillis(text);
  if (value === undefined) {
    return new Wrong(durationNeedsUnit(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text));
  }
  const min = bounds.min ?? '1ms';
  if (value < (durationMillis(min) ?? 0)) return new Wrong(`${text} is too short; write at least ${min}`);
  if (value > longestDuration) return new Wrong(`${text} is too long; write at most 24h`);
  if (bounds.wholeSeconds === true && value % 1000 !== 0) {
    return new Wrong(`${text} is not a number of whole seconds; write ${Math.ceil(value / 1000)}s`);
  }
  return value;
}

function durationMillis(text: string): Millis | undefined {
  const [, digits, unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text) ?? [];
  return digits === undefined ? undefined : millis(Math.round(Number(digits) * (unitMillis[unit] ?? 1)));
}
