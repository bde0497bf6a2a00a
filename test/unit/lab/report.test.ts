import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReport } from '../../../src/lab/report.js';

function collect(isTerminal: boolean) {
  const lines: string[] = [];
  const report = createReport({ write: (text) => lines.push(...text.split('\n').slice(0, -1)), isTerminal });
  return { lines, report };
}

const outage = { ok: true, what: 'outage', figure: '4812 ms', limit: '< 5500 ms' };
const leader = { ok: true, what: 'who leads', figure: 'cp1' };

test('a finding has a tick or a cross, its figure and its limit', () => {
  const { lines, report } = collect(false);
  report.finding(outage);
  report.finding({ ...leader, ok: false });
  assert.deepEqual(lines, ['  ✓ outage: 4812 ms (< 5500 ms)', '  ✗ who leads: cp1']);
});

test('the table has every promise and everything that failed', () => {
  const { lines, report } = collect(false);
  report.table([
    { step: 'start', findings: [{ ...leader, ok: false }, outage] },
    { step: 'killed', findings: [leader, outage] },
    { step: 'back', findings: undefined },
  ]);
  assert.deepEqual(lines, [
    '',
    '  step    what         figure   limit',
    '✗ start   who leads    cp1',
    '✓         outage       4812 ms  < 5500 ms',
    '✓ killed  outage       4812 ms  < 5500 ms',
    '✗ back    not reached',
  ]);
});

test('there are colours on a terminal only', () => {
  const introducer = '\x1b';
  const { lines, report } = collect(true);
  report.finding(outage);
  assert.ok(lines[0]?.includes(`${introducer}[32m✓`));
  const plain = collect(false);
  plain.report.title('title');
  plain.report.say('words');
  plain.report.finding(outage);
  assert.ok(plain.lines.every((line) => !line.includes(introducer)));
});
