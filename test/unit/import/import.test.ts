import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { loadSettings } from '../../../src/config/load.js';
import { remarkText } from '../../../src/import/found.js';
import { withFile } from './checked.js';
import { imported, importTexts, problemsOf, type Texts } from './imported.js';

const folder = join(import.meta.dirname, '../../../../test/unit/import/files');
const guide = {
  keepalived: readFileSync(join(folder, 'keepalived.conf'), 'utf8'),
  haproxy: readFileSync(join(folder, 'haproxy.cfg'), 'utf8'),
};

test("kubeadm's guide becomes one VIP with all that both files say", () => {
  const { yaml, remarks } = imported(guide);
  assert.equal(yaml, readFileSync(join(folder, 'imported.txt'), 'utf8'));
  // Every line of both files is in the result, in a remark, or opens and closes blocks.
  for (const [program, file] of [
    ['keepalived', 'keepalived.conf'],
    ['haproxy', 'haproxy.cfg'],
  ] as const) {
    const told = new Set(
      [...yaml.matchAll(new RegExp(`# ${file}:([\\d, ]+)`, 'g'))].flatMap(([, list = '']) => list.split(', ')),
    );
    for (const remark of remarks) if (remark.startsWith(`${file}:`)) told.add(remark.split(':')[1] ?? '');
    const structure =
      /^\s*($|[#!}]|(global|global_defs|defaults|authentication|virtual_ipaddress)\b|auth_type PASS|mode )/;
    const defaults = /^\s*(http-check|balance\s+roundrobin|default_backend|backend )/;
    const inBlocks = /^\s*(script|interval|weight|fall|rise|track_script|check_apiserver)\b/;
    guide[program].split('\n').forEach((line, index) => {
      if (structure.test(line) || defaults.test(line) || inBlocks.test(line)) return;
      assert.ok(told.has(String(index + 1)), `${file}:${index + 1}: ${line}`);
    });
  }
});

test('ports are those of the VIP they belong to', () => {
  const vrrp = (name: string, address: string) =>
    `vrrp_instance ${name} {\nvirtual_router_id 51\nvirtual_ipaddress {\n${address}\n}\n}\n`;
  const { vips, remarks } = imported({
    keepalived: vrrp('A', '192.168.1.100/24') + vrrp('B', '192.168.1.200') + vrrp('C', '192.168.1.201'),
    haproxy: `
listen api
  bind 192.168.1.100:6443
  bind 192.168.1.200:7443
  server cp1 192.168.1.101:6443
listen ingress
  bind 192.168.1.200:443
  server w1 192.168.1.111:443
listen same
  bind 192.168.1.200:8443
  server cp1 192.168.1.101:6443
listen elsewhere
  bind 192.168.1.11:9443
  server cp1 192.168.1.101:6443
`,
  });
  assert.deepEqual(
    vips.map(({ name, loadBalancer }) => [name, loadBalancer.mode ?? 'auto', loadBalancer.ports ?? [6443]]),
    [
      ['a', 'auto', [6443]],
      ['b', 'auto', [7443, 8443]],
      ['c', 'off', [6443]],
    ],
  );
  assert.deepEqual(
    remarks.map((remark) => remark.split(': not carried over: ')[0]),
    ['haproxy.cfg:7: bind 192.168.1.200:443', 'haproxy.cfg:13: bind 192.168.1.11:9443'],
  );
  const every = imported({
    keepalived: vrrp('A', '192.168.1.100') + vrrp('B', '192.168.1.200'),
    nginx: 'server { listen 6444; proxy_pass 10.0.0.1:1; }',
  });
  assert.deepEqual(
    every.vips.map(({ loadBalancer }) => loadBalancer.ports),
    [[6444], [6444]],
  );
});

test('addresses of one frontend are one VIP, with every port on each', () => {
  const { vips, remarks } = imported({
    haproxy:
      'listen api\nbind 192.168.1.100:6443\nbind [2001:db8::100]:6443\nbind 192.168.1.100:80\nserver a 10.0.0.1:1\n',
  });
  assert.deepEqual(
    [vips.length, vips[0].addresses, vips[0].loadBalancer.ports],
    [1, ['192.168.1.100', '2001:db8::100'], [6443, 80]],
  );
  assert.match(
    remarks.join('\n'),
    /cfg:1: api: vipd has every port of a VIP on every address of it: also \[2001:db8::100\]:80/,
  );
});

test('config check takes what comes out, whole where no VRRP is in it', async () => {
  const texts: Texts[] = [
    {
      haproxy:
        'listen api\nbind 192.168.1.100:6443\nbind [2001:db8::100]:6443\noption httpchk GET /readyz\nserver CP_1 192.168.1.101 check check-ssl verify none inter 20\n',
    },
    { nginx: 'server { listen 192.168.1.100:443; listen 192.168.1.100:80; proxy_pass 10.0.0.1:443; }' },
    {
      haproxy:
        'listen api\nbind 10.0.0.9:6443\ntimeout connect 3d\ntimeout check 1us\nserver a [fe80::1]:6443\nserver b [::ffff:10.0.0.1]:1\nserver c 10.0.0.2:6443 check rise 300\n',
    },
    {
      'kube-vip':
        'spec: { containers: [{ name: kube-vip, env: [{ name: cp_enable, value: "true" }, { name: address, value: 192.168.1.100 }, { name: vip_retryperiod, value: "2" }, { name: lb_enable, value: "true" }, { name: vip_loglevel, value: "4" }] }] }',
    },
  ];
  for (const text of texts) {
    const { yaml } = imported(text);
    const loaded = await withFile(yaml, (file) =>
      loadSettings({ flags: { config: file }, environment: {}, hostname: 'lb1' }),
    );
    assert.ok(loaded.ok, loaded.ok ? '' : `${loaded.problems.join('\n')}\n${yaml}`);
  }
});

test('files without anything to carry over give no VIPs', () => {
  for (const text of ['', '# nothing\n', '\n\n']) {
    const { vips, remarks } = imported({ keepalived: text, haproxy: text, nginx: text });
    assert.deepEqual([vips, remarks], [[], []]);
  }
  assert.deepEqual(problemsOf({ haproxy: 'a\0b', nginx: '}' }), [
    'haproxy.cfg:1: it is not a text file',
    'nginx.conf:1: } closes nothing; remove it',
  ]);
});

test('whatever the files hold, there is YAML or a sentence, and no remark reaches the terminal raw', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...[
        'vrrp_instance',
        'global_defs',
        'virtual_ipaddress',
        'priority',
        'advert_int',
        'authentication',
        'auth_pass',
        'state',
        'MASTER',
      ],
      ...[
        'vrrp_sync_group',
        'group',
        'unicast_peer',
        'frontend',
        'backend',
        'listen',
        'defaults',
        'bind',
        'server',
        'check',
        'inter',
        'from',
      ],
      ...[
        'default_backend',
        'option httpchk',
        'http-check',
        'send',
        'expect',
        'status',
        'mode',
        'tcp',
        'timeout',
        'connect',
        'default-server',
      ],
      ...[
        'stream',
        'upstream',
        'proxy_pass',
        'proxy_connect_timeout',
        'a',
        '10.0.0.1:6443',
        '192.168.1.100',
        '*:6443',
        '5s',
        '-1',
        '[',
        ']:1',
      ],
      ...['__proto__', 'constructor', '$A=$A$A', '$A', '@x', '\u001b[31m', '\u2028'],
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const text = fc
    .array(fc.tuple(word, fc.constantFrom(' ', '\n', ' {\n', '\n}\n', ';', '"', "'", '\\', '#', '!', '\t', '${')), {
      maxLength: 40,
    })
    .map((parts) => parts.flat().join(''));
  fc.assert(
    fc.property(text, text, text, text, (keepalived, haproxy, nginx, manifest) => {
      const container = `spec: { containers: [{ name: kube-vip, args: [manager, ${JSON.stringify(manifest)}], env: [{ name: cp_enable, value: 'true' }, { name: address, value: ${JSON.stringify(manifest)} }] }] }`;
      const result = importTexts({
        keepalived,
        haproxy,
        nginx,
        'kube-vip': manifest.length % 2 === 0 ? manifest : container,
      });
      if (result.ok) {
        assert.ok(Array.isArray(parse(result.yaml).vips));
        for (const remark of result.remarks) assert.match(remarkText(remark), /^[-a-z.]+:\d+: [^\p{Cc}\u2028]*$/u);
      } else for (const problem of result.problems) assert.match(problem, /^[-a-z.]+:\d+: \S[^\p{Cc}\u2028]*$/u);
    }),
    { numRuns: 500 },
  );
});

test('random words in good structures never break the file that comes out', () => {
  const token = fc.oneof(
    fc.constantFrom('192.168.1.1', '2001:db8::1/64', '10', '0.5', 'eth0', 'none', 'str(x)'),
    fc.string({ maxLength: 8 }).map((text) => text.replace(/[\s{};"'#!\\$]/g, '')),
  );
  const line = (keywords: readonly string[]) =>
    fc.tuple(fc.constantFrom(...keywords), token, token).map((words) => words.join(' '));
  const vrrp = line([
    'priority',
    'virtual_router_id',
    'advert_int',
    'interface',
    'state',
    'version',
    'unicast_src_ip',
    'preempt_delay',
    'nopreempt',
    'garp_master_repeat',
  ]);
  const proxy = line([
    'bind',
    'server',
    'balance',
    'option httpchk',
    'http-check',
    'timeout check',
    'timeout connect',
    'default-server',
    'server a 10.0.0.1:1 check',
  ]);
  fc.assert(
    fc.property(fc.array(vrrp), token, fc.array(proxy), (settings, address, lines) => {
      const { vips } = imported({
        keepalived: `vrrp_instance ${address} {\n${settings.join('\n')}\nvirtual_ipaddress {\n${address}\n}\n}\n`,
        haproxy: `listen ${address}\nbind *:6443\n${lines.join('\n')}\n`,
      });
      assert.equal(vips.length, 1);
      assert.match(vips[0].name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
    }),
    { numRuns: 300 },
  );
});

test('long files take no longer than their length', () => {
  const deep = 'a {\n'.repeat(100_000) + '}\n'.repeat(100_000);
  assert.deepEqual(problemsOf({ keepalived: deep, nginx: deep }), [
    'keepalived.conf:33: more than 32 blocks are nested here; close those that are not needed',
    'nginx.conf:33: more than 32 blocks are nested here; close those that are not needed',
  ]);
  const doubling = `$A=aaaaaaaaaa\n${'$A=$A$A$A$A$A$A$A$A\n'.repeat(40)}x $A\n`;
  assert.ok(imported({ keepalived: doubling }).remarks.length > 0);
});
