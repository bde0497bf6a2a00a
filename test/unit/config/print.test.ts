import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printSettings } from '../../../src/config/print.js';
import { fileName, load, settingsOf } from './load-text.js';

test('every line says where its value comes from', async () => {
  const loaded = await load('vips:\n  - addresses: [10.0.0.9]\n', {
    flags: { ports: '6443,8443' },
    environment: { VIPD_INTERFACE: 'eth1' },
  });
  assert.equal(loaded.ok, true);
  if (!loaded.ok) return;
  const lines = printSettings(loaded.effective)
    .split('\n')
    .map((line) => line.trim());
  for (const line of [
    `addresses: [ 10.0.0.9 ] # from ${fileName}:2:5`,
    'ports: [ 6443, 8443 ] # from flag --ports',
    'interface: eth1 # from environment VIPD_INTERFACE',
    'name: cp1 # from default: the host name in lower case',
    'burst: 5 # from default',
    'listen: :2112 # from default',
  ]) {
    assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join('\n')}`);
  }
});

test('a password is printed: the file would not give the same without it', async () => {
  const vrrp = 'election: { type: vrrp, vrrp: { version: 2, authPass: mine } }, loadBalancer: { mode: "off" }';
  const loaded = await load(`vips: [{ addresses: [10.0.0.9], ${vrrp} }]`);
  assert.ok(loaded.ok);
  assert.match(printSettings(loaded.effective), /authPass: mine # from/);
});

test('what is printed gives the same settings again', async () => {
  const flags = fc.record(
    {
      'announce-burst': fc.integer({ min: 1, max: 20 }).map(String),
      'dead-man-switch': fc.constantFrom('off', '1s', '2s'),
      ports: fc
        .uniqueArray(fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 4 })
        .map((list) => list.join(',')),
      interface: fc.constantFrom('eth0', 'null', '1', 'true', '#', '@x', '-'),
      'lease-name': fc.constantFrom('1', 'null', '1e3', 'no', 'a.b'),
      'metrics-listen': fc.constantFrom('off', ':1', '[::1]:9'),
      kubeconfig: fc.constantFrom('a b', '#x', ': ', '~', 'x: y', '|'),
      'load-balancer': fc.constantFrom('auto', 'proxy', 'off'),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(flags, fc.boolean(), async (given, isStatic) => {
      const servers = isStatic ? { 'backends-from': 'static', backends: 'a=10.0.0.1:1,b-2=10.0.0.2:65535' } : {};
      const loaded = await load(undefined, { flags: { address: '10.0.0.9,10.0.0.8/24', ...servers, ...given } });
      assert.ok(loaded.ok);
      const printed = printSettings(loaded.effective);
      assert.deepEqual(await settingsOf(printed, { hostname: 'another' }), loaded.settings);
    }),
    { numRuns: 40 },
  );
});
