import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dumpLine, withoutSecrets } from '../../src/dump.js';
import { settingsOf } from './config/load-text.js';

test('settings are dumped without the password', async () => {
  const settings = await settingsOf(
    'vips:\n  - addresses: [10.0.0.9]\n    election: { type: vrrp, vrrp: { version: 2, authPass: hunter22 } }\n' +
      '    loadBalancer: { mode: off }',
  );
  const dumped = withoutSecrets(settings);
  assert.equal(dumped.vips[0]?.election.vrrp.authPass, '(set)');
  assert.ok(!JSON.stringify(dumped).includes('hunter22'));
  assert.equal(settings.vips[0]?.election.vrrp.authPass, 'hunter22');
});

test('a dump is one line of JSON, whatever it is made of', () => {
  const line = dumpLine({
    a: 1n,
    b: new Map([['x', new Set([1])]]),
    c: undefined,
    d: 'two\nlines',
    e: new Error('no'),
  });
  assert.deepEqual(line.split('\n').length, 2);
  assert.deepEqual(JSON.parse(line), { a: '1', b: { x: [1] }, c: null, d: 'two\nlines', e: 'no' });
});
