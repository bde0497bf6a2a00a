import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findChanges, isAppliedInPlace, type SettingPath } from '../../../src/config/changes.js';
import type { LoadedSettings } from '../../../src/config/load.js';
import { globalSettings, vipSettings } from '../../../src/config/schema.js';
import { fileName, load } from './load-text.js';

const api = '- { name: api, addresses: [10.0.0.9] }';

/** A file with two VIPs: `api` by Lease before nodes, `web` with the keys that are given, before static servers. */
function fileWith(webKeys = '', servers = '{ name: a, address: "10.0.0.1:80" }', rest = ''): string {
  return `vips:
  ${api}
  - name: web
    addresses: [10.0.0.8]
    election: { type: none }
    loadBalancer: { backends: { from: static, servers: [${servers}] }, ${webKeys} }
${rest}`;
}

async function loaded(text: string): Promise<LoadedSettings> {
  const result = await load(text);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result;
}

async function changesOf(before: string, after: string) {
  return findChanges(await loaded(before), await loaded(after));
}

async function problemsOf(before: string, after: string): Promise<readonly string[]> {
  const changes = await changesOf(before, after);
  return changes.ok ? [] : changes.problems.map((problem) => problem.replace(`${fileName}:`, ''));
}

/** The same settings but for one, whose value is unlike any other. */
function withOther(settings: LoadedSettings, path: SettingPath): LoadedSettings {
  const other = { raw: 'other', value: 'other', origin: { kind: 'default', words: undefined } } as const;
  const change = (entries: LoadedSettings['effective']['global']) => {
    const entry = entries.get(path);
    return entry === undefined ? entries : new Map([...entries, [path, { ...entry, ...other }]]);
  };
  const { global, vips } = settings.effective;
  return { ...settings, effective: { global: change(global), vips: vips.map(change) } };
}

test('every setting there is is applied in place, or asks for a restart by its name', async () => {
  const before = await loaded(`vips: [{ name: web, addresses: [10.0.0.8] }]`);
  const paths = [...Object.keys(globalSettings), ...Object.keys(vipSettings)] as SettingPath[];
  for (const path of paths) {
    const changes = findChanges(before, withOther(before, path));
    const line = `${path in vipSettings ? 'web: ' : ''}${path}: `;
    if (isAppliedInPlace(path)) {
      assert.ok(changes.ok, path);
      assert.ok(changes.lines[0]?.startsWith(line), path);
      assert.ok(changes.lines[0]?.endsWith(path === 'election.vrrp.authPass' ? ' → (secret)' : ' → other'), path);
      assert.deepEqual(
        changes.vips.flatMap(({ changed }) => changed.map((change) => change.path)),
        path in vipSettings ? [path] : [],
      );
    } else {
      assert.ok(!changes.ok, path);
      assert.equal(changes.problems.length, 1, path);
      assert.ok(changes.problems[0]?.startsWith(line), path);
      assert.ok(changes.problems[0]?.endsWith(' → other cannot be applied in place; restart vipd to apply it'), path);
    }
  }
});

const fixedInVrrp = ['version', 'virtualRouterId', 'unicastSource', 'unicastPeers'].map(
  (key) => `election.vrrp.${key}`,
);

test('who elects and where takes a restart, and so does what the VIP is; how VRRP elects, announces and balances does not', () => {
  const paths = [...Object.keys(globalSettings), ...Object.keys(vipSettings)] as SettingPath[];
  const inPlace = paths.filter(isAppliedInPlace);
  for (const path of paths) {
    const isSign = path === 'log.level' || path === 'election.lease.annotations';
    const isOperating = /^(loadBalancer|announce|election\.vrrp)\./.test(path) || isSign;
    const isFixed = ['loadBalancer.mode', 'loadBalancer.backends.from', ...fixedInVrrp].includes(path);
    assert.equal(inPlace.includes(path), isOperating && !isFixed, path);
  }
});

test('the balancing of one VIP changes in place, with old and new value; the other VIP is not touched', async () => {
  const changes = await changesOf(
    fileWith('ports: [80], connectTimeout: 1s'),
    fileWith(
      'ports: [80, 443], healthCheck: { fall: 5 }, whenBackendDown: keep, connectTimeout: 1000ms',
      '{ name: a, address: "10.0.0.1:80" }, { name: b, address: "10.0.0.2:80" }',
      'log: { level: warn }',
    ),
  );
  assert.ok(changes.ok);
  assert.deepEqual(changes.lines, [
    'log.level: info → warn',
    'web: loadBalancer.ports: [80] → [80, 443]',
    'web: loadBalancer.backends.servers: [{ name: a, address: 10.0.0.1:80 }] → [{ name: a, address: 10.0.0.1:80 }, { name: b, address: 10.0.0.2:80 }]',
    'web: loadBalancer.healthCheck.fall: 3 → 5',
    'web: loadBalancer.whenBackendDown: close → keep',
  ]);
  assert.equal(changes.logLevel, 'warn');
  assert.deepEqual(
    changes.vips.map(({ name, settings }) => [
      name,
      settings.loadBalancer.ports,
      settings.loadBalancer.healthCheck.fall,
    ]),
    [['web', [80, 443], 5]],
  );
});

test('of a password it is said that it changes, and not from what to what', async () => {
  const password = (text: string) =>
    `vips: [{ name: web, addresses: [10.0.0.8], election: { type: vrrp, vrrp: { version: 2, authPass: "${text}" } }, loadBalancer: { mode: "off" } }]`;
  const linesOf = async (before: string, after: string) => {
    const changes = await changesOf(password(before), password(after));
    assert.ok(changes.ok);
    assert.ok(changes.vips.every(({ changed }) => !JSON.stringify(changed).includes('hidden')));
    return changes.lines;
  };
  assert.deepEqual(await linesOf('hidden1', 'hidden2'), ['web: election.vrrp.authPass: (secret) → (changed)']);
  assert.deepEqual(await linesOf('', 'hidden2'), ['web: election.vrrp.authPass: not set → (secret)']);
  assert.deepEqual(await linesOf('hidden1', ''), ['web: election.vrrp.authPass: (secret) → not set']);
});

test('a default that follows another setting changes with it', async () => {
  const changes = await changesOf(
    'vips: [{ name: api, addresses: [10.0.0.9] }]',
    'vips: [{ name: api, addresses: [10.0.0.9], loadBalancer: { ports: [8443] } }]',
  );
  assert.deepEqual(changes.ok && changes.lines, [
    'api: loadBalancer.ports: [6443] → [8443]',
    'api: loadBalancer.backends.port: 6443 → 8443',
  ]);
});

test('what is written otherwise and means the same, or in another order of VIPs, changes nothing', async () => {
  const reordered = `vips:
  - name: web
    addresses: [10.0.0.8/32]
    election: { type: none }
    loadBalancer:
      connectTimeout: 1000ms
      backends: { from: static, servers: [{ address: "10.0.0.1:80", name: a }] }
  ${api}
`;
  assert.deepEqual(await changesOf(fileWith(), reordered), { ok: true, vips: [], logLevel: undefined, lines: [] });
});

test('one setting that takes a restart holds back all; each is named with its place, values and mend', async () => {
  const after = `${fileWith('mode: proxy, ports: [81]').replace('10.0.0.8', '10.0.0.7')}node: { name: cp2 }
metrics: { listen: "off" }
`;
  const end = 'cannot be applied in place; restart vipd to apply it';
  assert.deepEqual(await problemsOf(fileWith(), after), [
    `7:9: node.name: cp1 → cp2 ${end}`,
    `8:12: metrics.listen: :2112 → off ${end}`,
    `4:5: web: addresses: [10.0.0.8] → [10.0.0.7] ${end}`,
    `6:97: web: loadBalancer.mode: auto → proxy ${end}`,
  ]);
});

test('a setting that the file no longer has is named without a place', async () => {
  assert.deepEqual(await problemsOf(`${fileWith()}log: { format: text }`, fileWith()), [
    'log.format: text → json cannot be applied in place; restart vipd to apply it',
  ]);
});

test('VIPs that come, go or are renamed take a restart', async () => {
  assert.deepEqual(await problemsOf(fileWith(), fileWith().replace('name: web', 'name: shop')), [
    'vips: web is gone, which cannot be applied in place; restart vipd to apply it',
    '3:5: vips: shop is new, which cannot be applied in place; restart vipd to apply it',
  ]);
});
