import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLog, type LogOptions } from '../../../src/telemetry/log.js';

function logTo(lines: string[], options: Partial<LogOptions> = {}) {
  const write = (line: string) => lines.push(line) > 0;
  return createLog({ level: 'info', format: 'json', node: 'cp1', output: { write }, ...options });
}

test('a line of JSON has time, level, node, message and the fields', () => {
  const lines: string[] = [];
  logTo(lines).info('leadership', { from: 'follower', to: 'leader', because: 'lease-free' });
  const { time, ...rest } = JSON.parse(lines[0] ?? '');
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    level: 'info',
    node: 'cp1',
    msg: 'leadership',
    from: 'follower',
    to: 'leader',
    because: 'lease-free',
  });
  assert.ok(lines[0]?.endsWith('}\n'));
});

test('a line of text is short and cannot steer a terminal', () => {
  const lines: string[] = [];
  logTo(lines, { format: 'text' }).warn('held by \x1b[2J', {
    holder: 'cp2',
    because: 'two words',
    count: 3,
    list: ['a'],
  });
  const text = (lines[0] ?? '').replace(/^\S+ /, '');
  assert.equal(text, 'WARN  held by \\u001b[2J  holder=cp2  because="two words"  count=3  list=["a"]\n');
});

test('lines below the level are not written', () => {
  const lines: string[] = [];
  const log = logTo(lines, { level: 'warn' });
  log.debug('no');
  log.info('no');
  log.warn('yes');
  log.error('yes');
  assert.equal(lines.length, 2);
});

test('the level can be changed while the log is written to, and with it whether stacks are shown', () => {
  const lines: string[] = [];
  const log = logTo(lines, { level: 'warn' });
  log.info('no');
  log.setLevel('debug');
  log.debug('yes', { error: new Error('why') });
  log.setLevel('error');
  log.warn('no');
  assert.equal(lines.length, 1);
  assert.match(JSON.parse(lines[0] ?? '').error, /why\n {4}at /);
});

test('an error is its message with its causes, and its stack only when debugging', () => {
  const error = new Error('cannot renew', { cause: new Error('timeout') });
  const shown = (level: LogOptions['level']) => {
    const lines: string[] = [];
    logTo(lines, { level }).error('lease', { error });
    return JSON.parse(lines[0] ?? '').error;
  };
  assert.equal(shown('info'), 'cannot renew: timeout');
  assert.match(shown('debug'), /cannot renew\n {4}at /);
});

test('whatever the fields are, a line is one line that reads back, and keeps its own time, level, node and message', () => {
  const fields = fc.oneof(
    fc.object(),
    fc.dictionary(fc.constantFrom('time', 'level', 'node', 'msg', 'x'), fc.anything({ withBigInt: true })),
  );
  fc.assert(
    fc.property(fc.string(), fields, fc.constantFrom('json' as const, 'text' as const), (message, given, format) => {
      const lines: string[] = [];
      logTo(lines, { format }).info(message, given as Record<string, unknown>);
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1);
      if (format === 'json') {
        const { level, node, msg } = JSON.parse(lines[0] ?? '');
        assert.deepEqual([level, node, msg], ['info', 'cp1', message]);
      }
    }),
  );
});

test('lines that were not taken are counted, and the count is told when lines are taken again', () => {
  const lines: string[] = [];
  let takes = true;
  const log = createLog({
    level: 'info',
    format: 'text',
    node: 'cp1',
    output: { write: (line) => takes && lines.push(line.replace(/^\S+ /, '')) > 0 },
  });
  log.info('one');
  takes = false;
  log.info('two');
  log.info('three');
  takes = true;
  log.info('four');
  assert.deepEqual(lines, ['INFO  one\n', 'WARN  log lines were dropped  dropped=2\n', 'INFO  four\n']);
});
