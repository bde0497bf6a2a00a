import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, scripts, trackedInterfaces } from '../../../src/config/tracking-kinds.js';

function read(kind: { readonly schema: { safeParse(input: unknown): unknown } }, input: unknown): unknown {
  const result = kind.schema.safeParse(input) as {
    success: boolean;
    data?: unknown;
    error?: { issues: { message: string }[] };
  };
  return result.success ? result.data : result.error?.issues.map(({ message }) => message).join('; ');
}

test('a command is split at spaces outside quotes, as keepalived splits it', () => {
  assert.deepEqual(read(command, '/bin/check  it\tnow'), ['/bin/check', 'it', 'now']);
  assert.deepEqual(read(command, `pgrep "two words" 'and "these"' a\\ b x"y"z`), [
    'pgrep',
    'two words',
    'and "these"',
    'a b',
    'xyz',
  ]);
  assert.deepEqual(read(command, `/bin/sh -c "echo \\"$1\\" > /tmp/x"`), ['/bin/sh', '-c', 'echo "$1" > /tmp/x']);
  assert.deepEqual(read(command, ['/bin/sh', '-c', 'a b', '']), ['/bin/sh', '-c', 'a b', '']);
});

test('what is no command is refused with the mend', () => {
  assert.equal(
    read(command, ''),
    'the command is empty; write the program and its arguments, such as /usr/bin/pgrep haproxy',
  );
  assert.match(String(read(command, [])), /the command is empty/);
  assert.match(String(read(command, 7)), /^7 is not a command; write the program/);
  assert.equal(read(command, ['/bin/echo', 7]), 'a word of the command is not a text; put it in quotes');
  assert.equal(read(command, '/bin/echo "x'), 'a quote of "/bin/echo \\"x" has no end; close it');
  assert.equal(
    read(command, './check.sh'),
    '"./check.sh" is neither an absolute path nor a name to be looked for in PATH; write the path',
  );
});

test('a script has its defaults, and the interval is the timeout', () => {
  assert.deepEqual(read(scripts, [{ name: 'a', command: '/bin/true', interval: '3s' }]), [
    {
      name: 'a',
      command: ['/bin/true'],
      interval: 3000,
      timeout: 3000,
      rise: 1,
      fall: 1,
      weight: 0,
      reverse: false,
    },
  ]);
  assert.deepEqual(scripts.fromText('a=/bin/true x,b=pgrep y'), [
    { name: 'a', command: '/bin/true x' },
    { name: 'b', command: 'pgrep y' },
  ]);
});

test('scripts and interfaces that cannot be are refused with the mend', () => {
  const two = [
    { name: 'a', command: '/bin/true' },
    { name: 'a', command: '/bin/false' },
  ];
  assert.equal(read(scripts, two), 'the script "a" is given twice; give it once');
  assert.match(
    String(read(scripts, [{ name: 'a', command: '/x', user: 'root' }])),
    /a script has the keys name, .*, not "user"/,
  );
  assert.match(String(read(scripts, ['a'])), /"a" is not a script; write \{ name: haproxy/);
  assert.match(
    String(read(scripts, [{ name: 'a', command: '/x', weight: 300 }])),
    /300 is not a whole number from -253/,
  );
  assert.deepEqual(read(trackedInterfaces, trackedInterfaces.fromText('eth1,eth2=-10')), [
    { name: 'eth1', weight: 0, reverse: false },
    { name: 'eth2', weight: -10, reverse: false },
  ]);
  assert.match(String(read(trackedInterfaces, [{ name: 'eth1' }, { name: 'eth1' }])), /"eth1" is given twice/);
  assert.deepEqual(read(trackedInterfaces, []), []);
});
