import assert from 'node:assert/strict';
import { test } from 'node:test';
import yargs from 'yargs';
import { plainStart } from '../../../src/cli/plain-start.js';
import { settingsOptions } from '../../../src/cli/settings-options.js';

/** What yargs makes of the words, without its own `_` and `$0`. */
function readByYargs(words: readonly string[]): object {
  const parser = yargs([]).options(settingsOptions).version(false).help(false).exitProcess(false);
  const configured = parser.parserConfiguration({
    'camel-case-expansion': false,
    'dot-notation': false,
    'parse-numbers': false,
  });
  const args = Object.entries(configured.parseSync([...words]));
  return Object.fromEntries(args.filter(([name, value]) => !['_', '$0'].includes(name) && value !== undefined));
}

for (const line of [
  'start',
  'manager',
  'start --config /etc/vipd/vipd.yaml',
  'start --config=/etc/vipd/vipd.yaml --node-name cp1',
  'manager --config /a=b --address 10.0.0.9,fd00::9 --log-level debug',
])
  test(`\`${line}\` is read as yargs reads it`, () => {
    const words = line.split(' ');

    assert.deepEqual(plainStart(words), readByYargs(words.slice(1)));
  });

for (const words of [
  ['status'],
  [],
  ['start', 'now'],
  ['start', '--help'],
  ['start', '-h'],
  ['start', '--version'],
  ['start', '--no-such-flag', 'x'],
  ['start', '--toString', 'x'],
  ['start', '--config'],
  ['start', '--config='],
  ['start', '--config', '--address'],
  ['start', '--config', '"a b"'],
  ['start', '--config', 'a', '--config', 'b'],
  ['start', '--config', 'a', 'b'],
  ['start', '--', '--config', 'a'],
  ['manager', '--services'],
])
  test(`${JSON.stringify(words)} is left to yargs`, () => assert.equal(plainStart(words), undefined));
