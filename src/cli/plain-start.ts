import type { Arguments } from './command.js';
import { settingsOptions } from './settings-options.js';
import { start } from './start.js';

const word = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s;

/**
 * What `start` is given when it is written as units and manifests have it: flags with one value each, none twice. Undefined for anything
 * else, right or wrong, which is for yargs to read; a daemon that was started plainly never has that in memory.
 */
export function plainStart([name, ...rest]: readonly string[]): Arguments | undefined {
  if (name === undefined || ![...start.words, ...(start.aliases ?? [])].includes(name)) return undefined;
  const args: Record<string, string> = {};
  const words = rest.values();
  for (const text of words) {
    const [, flag = '', joined] = word.exec(text) ?? [];
    const value = joined ?? words.next().value;
    if (settingsOptions[flag]?.type !== 'string' || flag in args) return undefined;
    // yargs takes quotes off and refuses what may be another flag.
    if (value === undefined || value === '' || /^["'-]/.test(value)) return undefined;
    args[flag] = value;
  }
  return args;
}
