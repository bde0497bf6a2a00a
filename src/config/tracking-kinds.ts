import * as z from 'zod/mini';
import { millis } from '../time/instant.js';
import { boolean, count, dnsLabel, duration, interfaceName, type Kind, list, shown, Wrong } from './kinds.js';
import type { Command, ScriptSettings, TrackedInterfaceSettings } from './settings.js';

const commandMend = 'write the program and its arguments, such as /usr/bin/pgrep haproxy';

/** A program and its arguments: a text, which is split at spaces outside quotes, or a list of words. No shell sees it. */
export const command: Kind<Command> = {
  words: 'command',
  schema: z.pipe(
    z.unknown(),
    z.transform((input, context): Command => {
      const read = readCommand(input);
      if (!(read instanceof Wrong)) return read;
      context.issues.push({ code: 'custom', message: read.message, input });
      return z.NEVER;
    }),
  ),
  isList: false,
  fromText: (text) => text,
};

/** What a priority can be moved by (keepalived.conf(5)). */
const weight = count(-253, 253);
const every = duration({ min: '100ms' });
const times = count(1, 100);
const everySecond = millis(1000);

/** `{ name, weight, reverse }`; as text `eth1` or `eth1=-10`. */
export const trackedInterfaces: Kind<readonly TrackedInterfaceSettings[]> = list(
  {
    words: 'interface',
    schema: z.strictObject(
      { name: interfaceName.schema, weight: z._default(weight.schema, 0), reverse: z._default(boolean.schema, false) },
      { error: notItem('an interface', 'name, weight and reverse', '{ name: eth1, weight: -10 }') },
    ),
    isList: false,
    fromText: (text) => pair(text, 'weight', weight.fromText),
  },
  'list of `{ name, weight, reverse }`; as text `eth1,eth2=-10`',
  'write a list, such as [{ name: eth1, weight: -10 }]',
  namedOnce('interface'),
  true,
);

/** `{ name, command, interval, timeout, rise, fall, weight, reverse }`; as text `name=command`. */
export const scripts: Kind<readonly ScriptSettings[]> = list(
  {
    words: 'script',
    schema: z.pipe(
      z.strictObject(
        {
          name: dnsLabel.schema,
          command: command.schema,
          interval: z._default(every.schema, everySecond),
          timeout: z.optional(every.schema),
          rise: z._default(times.schema, 1),
          fall: z._default(times.schema, 1),
          weight: z._default(weight.schema, 0),
          reverse: z._default(boolean.schema, false),
        },
        {
          error: notItem(
            'a script',
            'name, command, interval, timeout, rise, fall, weight and reverse',
            '{ name: haproxy, command: /usr/bin/pgrep haproxy }',
          ),
        },
      ),
      z.transform((script) => ({ ...script, timeout: script.timeout ?? script.interval })),
    ),
    isList: false,
    fromText: (text) => pair(text, 'command', (value) => value),
  },
  'list of `{ name, command, interval, timeout, rise, fall, weight, reverse }`; as text `name=command,…`',
  'write a list, such as [{ name: haproxy, command: /usr/bin/pgrep haproxy }]',
  namedOnce('script'),
  true,
);

function readCommand(input: unknown): Command | Wrong {
  const words = typeof input === 'string' ? splitWords(input) : input;
  if (words instanceof Wrong) return words;
  if (!Array.isArray(words)) return new Wrong(`${shown(input)} is not a command; ${commandMend}`);
  if (!words.every((word): word is string => typeof word === 'string' && !word.includes('\0')))
    return new Wrong(`a word of the command is not a text; put it in quotes`);
  const [program = ''] = words;
  if (program === '') return new Wrong(`the command is empty; ${commandMend}`);
  if (program.includes('/') && !program.startsWith('/'))
    return new Wrong(
      `${shown(program)} is neither an absolute path nor a name to be looked for in PATH; write the path`,
    );
  return words;
}

/** Words are apart by spaces; quotes of either kind keep spaces, and a backslash keeps what follows it. */
function splitWords(text: string): readonly string[] | Wrong {
  const words: string[] = [];
  for (const [whole] of text.matchAll(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*'|["'\\])+/gs)) {
    const word = whole.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'|(["'\\])/gs, (_, kept, double, single, lone) =>
      lone !== undefined ? '\0' : (kept ?? single ?? double.replace(/\\(["\\])/g, '$1')),
    );
    if (word.includes('\0')) return new Wrong(`a quote of ${shown(text)} has no end; close it`);
    words.push(word);
  }
  return words;
}

/** `name=value`, or the name alone. */
function pair(text: string, key: string, read: (value: string) => unknown): unknown {
  const equals = text.indexOf('=');
  return equals < 0 ? { name: text } : { name: text.slice(0, equals), [key]: read(text.slice(equals + 1)) };
}

function namedOnce(what: string) {
  return ({ name }: { readonly name: string }, earlier: readonly { readonly name: string }[]) =>
    earlier.some((other) => other.name === name)
      ? `the ${what} ${shown(name)} is given twice; give it once`
      : undefined;
}

function notItem(what: string, keys: string, example: string) {
  return (issue: { readonly code?: string; readonly input?: unknown; readonly keys?: readonly string[] }) =>
    issue.code === 'unrecognized_keys'
      ? `${what} has the keys ${keys}, not ${(issue.keys ?? []).map(shown).join(', ')}; remove it`
      : `${shown(issue.input)} is not ${what}; write ${example}`;
}
