import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWatchLog } from '../../../src/telemetry/watch-log.js';

test('a right that is missing is one warning until it is given; connections that end are none', () => {
  const lines: string[] = [];
  const write = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  const log = { debug() {}, info: write('info'), warn: write('warn'), error: write('error') };
  const watch = createWatchLog('node', log);
  const interrupt = (refusal: string) => watch.interrupted({ refusal, detail: '' });
  for (const refusal of ['unreachable', 'unauthorized', 'forbidden', 'forbidden', 'gone', 'forbidden'])
    interrupt(refusal);
  assert.deepEqual(lines, ['warn: node watch interrupted', 'warn: node watch interrupted']);
  watch.answered();
  watch.answered();
  interrupt('forbidden');
  assert.deepEqual(lines.slice(2), ['info: node watch answered', 'warn: node watch interrupted']);
});
