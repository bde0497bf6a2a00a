import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadAdminSocket, loadSettings } from '../../../src/config/load.js';
import { fileName, load, problemsOf, settingsOf } from './load-text.js';

const repository = join(import.meta.dirname, '../../../..');

test('a VIP has addresses of both families, from the file, flags and the environment alike', async () => {
  const both = [
    { ip: '10.0.0.9', prefixLength: 32 },
    { ip: '2001:db8::100', prefixLength: 128 },
    { ip: 'fd00::1', prefixLength: 64 },
  ];
  const servers = [{ name: 'a', ip: '2001:db8::7', port: 6443, weight: 1 }];
  const file = `vips: [{ addresses: [10.0.0.9, 2001:DB8:0::100, "fd00::1/64"], loadBalancer: { backends: { from: static,
    servers: [{ name: a, address: "[2001:db8::7]:6443" }] } } }]`;
  const text = {
    address: '10.0.0.9,2001:db8::100,fd00::1/64',
    'backends-from': 'static',
    backends: 'a=[2001:db8::7]:6443',
  };
  const environment = Object.fromEntries(
    Object.entries(text).map(([flag, value]) => [`VIPD_${flag.toUpperCase().replaceAll('-', '_')}`, value]),
  );
  for (const settings of [
    await settingsOf(file),
    await settingsOf(undefined, { flags: text }),
    await settingsOf(undefined, { environment }),
  ]) {
    assert.deepEqual(settings.vips[0]?.addresses, both);
    const backends = settings.vips[0]?.loadBalancer.backends;
    assert.deepEqual(backends?.from === 'static' && backends.servers, servers);
  }
});

test('an address alone is enough: all else has a default', async () => {
  assert.deepEqual(await settingsOf(undefined, { flags: { address: '192.168.1.100' }, hostname: 'CP1.Example' }), {
    node: { name: 'cp1.example' },
    kubernetes: { kubeconfig: undefined, server: undefined, nodeLabel: false, events: true },
    vips: [
      {
        name: 'api',
        addresses: [{ ip: '192.168.1.100', prefixLength: 32 }],
        dns: { names: [], mode: 'first', interval: 30_000 },
        interface: undefined,
        election: {
          type: 'lease',
          lease: {
            namespace: 'kube-system',
            name: 'plndr-cp-lock',
            duration: 5000,
            renewDeadline: 3000,
            retryPeriod: 1000,
            annotations: {},
          },
          vrrp: {
            version: 3,
            virtualRouterId: 51,
            priority: 100,
            advertInterval: 1000,
            preempt: true,
            preemptDelay: 0,
            authPass: '',
            unicastSource: undefined,
            unicastPeers: [],
            checksum: 'keepalived',
            trackWeight: 60,
            track: { interfaces: [], scripts: [] },
            notify: { master: undefined, backup: undefined, fault: undefined, stop: undefined, all: undefined },
          },
          onApiLoss: 'hold',
        },
        announce: { burst: 5, interval: 3000 },
        deadManSwitch: 3000,
        loadBalancer: {
          mode: 'auto',
          ports: [6443],
          scheduler: 'roundrobin',
          backends: { from: 'nodes', port: 6443 },
          healthCheck: {
            type: 'https',
            interval: 2000,
            fastInterval: 500,
            timeout: 2000,
            fall: 3,
            rise: 2,
            path: '/readyz',
            serverName: undefined,
            aliveStatuses: [200, 401],
            ca: undefined,
            insecure: false,
          },
          weighted: false,
          connectTimeout: 1000,
          proxyProtocol: 'off',
          whenBackendDown: 'close',
        },
      },
    ],
    metrics: { listen: { host: '', port: 2112 } },
    health: { listen: undefined },
    proxy: { threads: undefined },
    admin: { socket: '/run/vipd/vipd.sock' },
    log: { level: 'info', format: 'json' },
  });
});

test('a flag wins over the environment, the environment over the file, the file over the default', async () => {
  const file = 'vips: [{ addresses: [10.0.0.9], announce: { burst: 2 } }]';
  const environment = { VIPD_ANNOUNCE_BURST: '3' };
  const burst = async (...given: Parameters<typeof settingsOf>) => (await settingsOf(...given)).vips[0]?.announce.burst;
  assert.equal(await burst('vips: [{ addresses: [10.0.0.9] }]'), 5);
  assert.equal(await burst(file), 2);
  assert.equal(await burst(file, { environment }), 3);
  assert.equal(await burst(file, { environment, flags: { 'announce-burst': '4' } }), 4);
});

test('what is overridden is checked all the same', async () => {
  const problems = await problemsOf('vips: [{ addresses: [10.0.0.9], announce: { burst: 99 } }]', {
    flags: { 'announce-burst': '4' },
  });
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /^1:45: vips\[0\]\.announce\.burst .*99 is not a whole number from 1 to 20/);
});

test('flags and environment are those of the first VIP', async () => {
  const file = `
vips:
  - { name: one, addresses: [10.0.0.1] }
  - { name: two, addresses: [10.0.0.2/24], election: { type: none }, loadBalancer: { mode: off } }
`;
  const { vips } = await settingsOf(file, {
    flags: { ports: ['6443,8443', '9345'] },
    environment: { VIPD_INTERFACE: 'eth1' },
  });
  assert.deepEqual(
    vips.map((vip) => vip.loadBalancer.ports),
    [[6443, 8443, 9345], [6443]],
  );
  assert.deepEqual(
    vips.map((vip) => vip.interface),
    ['eth1', undefined],
  );
  assert.deepEqual(vips[1]?.addresses, [{ ip: '10.0.0.2', prefixLength: 24 }]);
});

test('static backends come from the file or from one text', async () => {
  const servers = [
    { name: 'a', ip: '10.0.0.1', port: 6443, weight: 1 },
    { name: 'b', ip: '10.0.0.2', port: 6444, weight: 1 },
  ];
  const file = `vips: [{ addresses: [10.0.0.9], loadBalancer: { backends: { from: static, servers: [
    { name: a, address: "10.0.0.1:6443" }, { name: b, address: "10.0.0.2:6444" }] } } }]`;
  const environment = {
    VIPD_ADDRESS: '10.0.0.9',
    VIPD_BACKENDS_FROM: 'static',
    VIPD_BACKENDS: 'a=10.0.0.1:6443, b=10.0.0.2:6444',
  };
  for (const settings of [await settingsOf(file), await settingsOf(undefined, { environment })]) {
    assert.deepEqual(settings.vips[0]?.loadBalancer.backends, { from: 'static', servers });
  }
});

test('a static backend may have a weight, which only the file says', async () => {
  const file = `vips: [{ addresses: [10.0.0.9], loadBalancer: { backends: { from: static, servers: [
    { name: a, address: "10.0.0.1:6443", weight: 256 }, { name: b, address: "10.0.0.2:6444" }] } } }]`;
  const balancer = (await settingsOf(file)).vips[0]?.loadBalancer;
  assert.ok(balancer?.weighted && balancer.backends.from === 'static');
  assert.deepEqual(
    balancer.backends.servers.map(({ weight }) => weight),
    [256, 1],
  );
});

test('the port of backends from nodes is the first of the ports unless given', async () => {
  const flags = { address: '10.0.0.9', ports: '8443,6443' };
  const backends = async (more: Record<string, string>) =>
    (await settingsOf(undefined, { flags: { ...flags, ...more } })).vips[0]?.loadBalancer.backends;
  assert.deepEqual(await backends({}), { from: 'nodes', port: 8443 });
  assert.deepEqual(await backends({ 'backends-port': '6443' }), { from: 'nodes', port: 6443 });
});

test('checks are https when the backends come from nodes, tcp when they are static, unless they are asked for', async () => {
  const check = async (keys: string, backends = 'from: nodes') => {
    const file = `vips: [{ addresses: [10.0.0.9], loadBalancer: { backends: { ${backends} }, healthCheck: { ${keys} } } }]`;
    return (await settingsOf(file)).vips[0]?.loadBalancer.healthCheck;
  };
  const fixed = 'from: static, servers: [{ name: a, address: "10.0.0.1:6443" }]';
  const times = { interval: 2000, fastInterval: 500, timeout: 2000, fall: 3, rise: 2 };
  const https = { path: '/readyz', serverName: undefined, aliveStatuses: [200, 401], ca: undefined, insecure: false };
  assert.deepEqual(await check(''), { type: 'https', ...times, ...https });
  assert.deepEqual(await check('ca: ""', fixed), { type: 'tcp', ...times });
  assert.deepEqual(await check('type: tcp'), { type: 'tcp', ...times });
  assert.deepEqual(await check('type: https, ca: /etc/ca.crt, serverName: kubernetes, aliveStatuses: [204]', fixed), {
    type: 'https',
    ...times,
    ...https,
    ca: '/etc/ca.crt',
    serverName: 'kubernetes',
    aliveStatuses: [204],
  });
  assert.equal((await check('interval: 300ms'))?.fastInterval, 300);
  assert.equal((await check('interval: 300ms, fastInterval: 200ms'))?.fastInterval, 200);
  const flags = { address: '10.0.0.9', 'health-check-insecure': 'true', 'health-check-alive-statuses': '200,403' };
  const given = (await settingsOf(undefined, { flags })).vips[0]?.loadBalancer.healthCheck;
  assert.deepEqual(given, { type: 'https', ...times, ...https, insecure: true, aliveStatuses: [200, 403] });
});

test('metrics and the dead-man switch can be off, listening can be on one address', async () => {
  const flags = { address: '10.0.0.9', 'metrics-listen': 'off', 'dead-man-switch': 'off' };
  const settings = await settingsOf(undefined, { flags });
  assert.equal(settings.metrics.listen, undefined);
  assert.equal(settings.vips[0]?.deadManSwitch, 'off');
  const listen = async (text: string) =>
    (await settingsOf(undefined, { flags: { ...flags, 'metrics-listen': text } })).metrics.listen;
  assert.deepEqual(await listen('127.0.0.1:2112'), { host: '127.0.0.1', port: 2112 });
  assert.deepEqual(await listen('[::1]:9'), { host: '::1', port: 9 });
});

test('durations have units of their own', async () => {
  for (const [text, expected] of Object.entries({
    '300ms': 300,
    '5s': 5000,
    '1.5s': 1500,
    '1m': 60_000,
    '1h': 3600_000,
  })) {
    const settings = await settingsOf(undefined, { flags: { address: '10.0.0.9', 'connect-timeout': text } });
    assert.equal(settings.vips[0]?.loadBalancer.connectTimeout, expected);
  }
});

test('the file may be named by the environment, be JSON, and use anchors', async () => {
  await load('{"vips": [{"addresses": ["10.0.0.9"], "interface": null, "election": {}}]}');
  assert.equal((await settingsOf(undefined, { environment: { VIPD_CONFIG: fileName } })).vips.length, 1);
  const shared = `vips:
  - { name: a, addresses: [10.0.0.1], announce: &quick { burst: 9 }, election: { type: none } }
  - { name: b, addresses: [10.0.0.2], announce: *quick }`;
  assert.deepEqual(
    (await settingsOf(shared)).vips.map((vip) => vip.announce.burst),
    [9, 9],
  );
});

test('the links that Kubernetes makes to Services, and empty variables, are not settings', async () => {
  const environment = {
    VIPD_ADDRESS: '10.0.0.9',
    VIPD_INTERFACE: '',
    VIPD_SERVICE_HOST: '10.96.0.7',
    VIPD_SERVICE_PORT_METRICS: '2112',
    VIPD_PORT: 'tcp://10.96.0.7:2112',
    VIPD_PORT_2112_TCP_ADDR: '10.96.0.7',
    VIPD_BACKENDS_PORT: 'tcp://10.96.0.8:80',
    VIPD_METRICS_SERVICE_HOST: '10.96.0.7',
  };
  assert.deepEqual((await settingsOf(undefined, { environment })).vips[0]?.loadBalancer.backends, {
    from: 'nodes',
    port: 6443,
  });
});

test('the admin socket is found whatever else is wrong', async () => {
  const sources = { hostname: 'cp1', environment: { VIPD_PORTS: 'x' }, flags: { config: fileName } };
  await load('{ admin: { socket: /tmp/a.sock }, nonsense: 1 }');
  assert.deepEqual(await loadAdminSocket(sources), { ok: true, path: '/tmp/a.sock' });
  const refused = await loadAdminSocket({ ...sources, flags: { 'admin-socket': 'relative' } });
  assert.equal(refused.ok, false);
});

test('the example file is right', async () => {
  const loaded = await loadSettings({
    hostname: 'cp1',
    environment: {},
    flags: { config: join(repository, 'manifests/vipd.yaml') },
  });
  assert.equal(loaded.ok, true);
});

test('nothing that a file, a flag or a variable holds makes the loader throw', async () => {
  const word = fc.constantFrom(
    'vips',
    'name',
    'addresses',
    'election',
    'lease',
    'duration',
    'loadBalancer',
    'backends',
    'servers',
    'node',
    'log',
    '__proto__',
    'constructor',
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue(),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(word, tie('any'), { maxKeys: 4 }),
    ),
  })).any;
  const yaml = fc.oneof(
    value.map((data) => JSON.stringify(data)),
    fc.string(),
    fc.string({ unit: fc.constantFrom(...'-:{}[]&*!|>#\n ab01"\'%') }),
  );
  const texts = fc.dictionary(
    fc.constantFrom('address', 'ports', 'backends', 'lease-duration', 'metrics-listen', 'node-name', 'admin-socket'),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(yaml, texts, async (text, flags) => {
      const environment = Object.fromEntries(
        Object.entries(flags).map(([name, set]) => [`VIPD_${name.toUpperCase()}`, set]),
      );
      const loaded = await load(text, { flags, environment });
      if (!loaded.ok) for (const problem of loaded.problems) assert.match(problem, /^[^\n]+[:;] [^\n]+$/);
    }),
    { numRuns: 150 },
  );
});

test('DNS names stand among the addresses', async () => {
  const loaded = await load(
    'vips: [{ addresses: [10.0.0.9, api.example.org, kubernetes, 10.0.0.1.nip.io, api.example.org.], dnsMode: dual }]',
  );
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.settings.vips[0]?.addresses, [{ ip: '10.0.0.9', prefixLength: 32 }]);
  const names = ['api.example.org', 'kubernetes', '10.0.0.1.nip.io', 'api.example.org.'];
  assert.deepEqual(loaded.settings.vips[0]?.dns, { names, mode: 'dual', interval: 30_000 });
  const mixed = await load('vips: [{ addresses: [10.0.0.9, api.example.org], election: { type: vrrp } }]');
  assert.ok(!mixed.ok && /with VRRP a DNS name has a VIP of its own/.test(mixed.problems[0] ?? ''));
  const twice = await load('vips: [{ addresses: [api.example.org, api.example.org] }]');
  assert.ok(!twice.ok && /api\.example\.org is given twice; give each address once/.test(twice.problems[0] ?? ''));
});
