import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { kubeVipSettings } from '../../../src/config/kube-vip/carry.js';
import { loadSettings } from '../../../src/config/load.js';
import { printSettings } from '../../../src/config/print.js';
import { kubeVipPods } from '../../fakes/kube-vip-pods.js';
import { fileName, load, problemsOf, settingsOf } from './load-text.js';

type Texts = Readonly<Record<string, string>>;

const base: Texts = { cp_enable: 'true', vip_arp: 'true', address: '192.168.1.100' };

/** What `config print` says of a setting, such as `5s # from environment vip_leaseduration`. */
async function printed(path: string, given: Parameters<typeof load>[1]): Promise<string> {
  const loaded = await load(undefined, given);
  if (!loaded.ok) return loaded.problems.join('\n');
  const { global, vips } = loaded.effective;
  const entry = global.get(path) ?? vips[0]?.get(path);
  const only = new Map(entry === undefined ? [] : [['value', entry]]);
  return printSettings({ global: only, vips: [] }).replace(/^.*value: |\n$/gs, '');
}

async function warningsOf(environment: Texts, flags: Texts = {}): Promise<readonly string[]> {
  const loaded = await load(undefined, { environment, flags });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join('\n'));
  return loaded.warnings;
}

const balanced: Texts = { lb_enable: 'true' };

/** By the name in the table: a value, the setting of vipd and what it is then. `beside` is what it needs to count. */
const carried: readonly (readonly [name: string, text: string, path: string, value: string, beside?: Texts])[] = [
  ['address', '10.0.0.9,2001:db8::9', 'addresses', '[ 10.0.0.9, 2001:db8::9 ]'],
  ['vip_interface', 'ens192', 'interface', 'ens192'],
  ['vip_leasename', 'lock', 'election.lease.name', 'lock'],
  ['vip_leasename', 'ha/lock', 'election.lease.name', 'lock'],
  ['vip_leasename', 'ha/lock', 'election.lease.namespace', 'ha', { cp_namespace: 'other' }],
  ['cp_namespace', 'ha', 'election.lease.namespace', 'ha'],
  ['vip_leaseduration', '20', 'election.lease.duration', '20s'],
  ['vip_renewdeadline', '9', 'election.lease.renewDeadline', '9s'],
  ['vip_retryperiod', '1', 'election.lease.retryPeriod', '1s'],
  ['vip_nodename', 'CP7.Example', 'node.name', 'cp7.example'],
  ['lb_enable', 'true', 'loadBalancer.mode', 'auto'],
  ['lb_enable', 'T', 'loadBalancer.mode', 'auto'],
  ['lb_enable', '0', 'loadBalancer.mode', 'off'],
  ['lb_port', '8443', 'loadBalancer.ports', '[ 8443 ]', balanced],
  ['port', '8443', 'loadBalancer.backends.port', '8443'],
  ['backend_health_check_interval', '7', 'loadBalancer.healthCheck.interval', '7s', balanced],
  ['vip_arpRate', '2500', 'announce.interval', '2500ms'],
  ['k8s_config_file', '/etc/kubernetes/super-admin.conf', 'kubernetes.kubeconfig', '/etc/kubernetes/super-admin.conf'],
  ['prometheus_server', '127.0.0.1:9112', 'metrics.listen', '127.0.0.1:9112'],
  ['prometheus_server', 'localhost:9112', 'metrics.listen', '127.0.0.1:9112'],
  ['kubernetes_addr', 'https://10.0.0.1:6443', 'kubernetes.server', 'https://10.0.0.1:6443'],
  ['kubernetes_addr', '10.0.0.1:6443', 'kubernetes.server', '10.0.0.1:6443'],
  ['health_check_port', '8080', 'health.listen', ':8080'],
  ['health_check_port', '0', 'health.listen', 'off'],
  ['dns_mode', 'dual', 'dnsMode', 'dual'],
  ['vip_leaseannotations', '{"team": "network"}', 'election.lease.annotations', '{ team: network }'],
  ['enable_node_labeling', 'true', 'kubernetes.nodeLabel', 'true'],
  ['enable_node_labeling', 'false', 'kubernetes.nodeLabel', 'false'],
  ['vip_loglevel', '-4', 'log.level', 'debug'],
  ['vip_loglevel', '0', 'log.level', 'info'],
  ['vip_loglevel', '5', 'log.level', 'warn'],
  ['vip_loglevel', '8', 'log.level', 'error'],
];

test('each setting that vipd has is taken from the environment and from each flag, and its origin is printed', async () => {
  for (const [name, text, path, value, beside = {}] of carried) {
    const setting = kubeVipSettings.find((candidate) => candidate.name === name);
    const environment = { ...base, ...beside };
    assert.equal(
      await printed(path, { environment: { ...environment, [name]: text } }),
      `${value} # from environment ${name}`,
    );
    const { [name]: _, ...others } = environment;
    for (const flag of setting?.flags ?? []) {
      const dashes = flag.length === 1 ? '-' : '--';
      const given = { environment: others, flags: { [flag]: text } };
      assert.equal(await printed(path, given), `${value} # from flag ${dashes}${flag}`);
    }
  }
});

test('the addresses get their prefixes, under the former names too', async () => {
  const of = async (environment: Texts) =>
    (await settingsOf(undefined, { environment: { cp_enable: 'true', ...environment } })).vips[0]?.addresses.map(
      ({ ip, prefixLength }) => `${ip}/${prefixLength}`,
    );
  const both = '192.168.1.100, 2001:db8::100';
  assert.deepEqual(await of({ address: both, vip_subnet: '24,64' }), ['192.168.1.100/24', '2001:db8::100/64']);
  assert.deepEqual(await of({ address: both, vip_subnet: '/32' }), ['192.168.1.100/32', '2001:db8::100/128']);
  assert.deepEqual(await of({ address: both, vip_subnet: '128' }), ['192.168.1.100/32', '2001:db8::100/128']);
  assert.deepEqual(await of({ address: '2001:db8::100', vip_subnet: '32' }), ['2001:db8::100/32']);
  assert.deepEqual(await of({ vip_address: '192.168.0.40', vip_cidr: '24' }), ['192.168.0.40/24']);
  assert.deepEqual(await of({ address: '10.0.0.9', vip_address: '10.0.0.8', vip_cidr: '24', vip_subnet: '16' }), [
    '10.0.0.9/16',
  ]);
  const flags = { address: '10.0.0.9', vipSubnet: '16' };
  const own = await settingsOf(undefined, { flags, environment: { address: '10.0.0.8' } });
  assert.deepEqual(own.vips[0]?.addresses, [{ ip: '10.0.0.9', prefixLength: 16 }], 'a flag that both have');
});

/** Settings of which a warning says what is other than in kube-vip. */
const warned: readonly (readonly [name: string, text: string, sentence: RegExp, beside?: Texts])[] = [
  ['vip_arp', 'false', /announces by ARP and NDP all the same/],
  ['vip_subnet', 'auto', /^environment vip_subnet: ignored: auto is for Services/],
  ['vip_subnet', '24,64', /^environment vip_subnet: vipd always puts the address on as a \/32 or \/128/],
  ['vip_cidr', '24', /^environment vip_cidr: vipd always puts the address on as a \/32 or \/128/],
  ['lb_fwdmethod', 'local', /^environment lb_fwdmethod: vipd shares connections among all nodes/, balanced],
  ['vip_arpRate', '100', /ignored: less than 500 counts as 3000/],
  ['vip_preserve_on_leadership_loss', 'true', /ignored: the address is never on a node that does not lead/],
  ['vip_interfaceloglobal', 'true', /ignored: .*never on lo/],
  ['vip_loseleadership_timeout_seconds', '30', /ignored: .* as soon as the link/, { vip_loseleadership: 'true' }],
  ['svc_enable', 'true', /ignored: vipd serves the control plane and no Services/],
  ['vip_leasenam', 'x', /ignored: kube-vip has no such setting; did you mean vip_leasename\?$/],
];

/** Settings that vipd does not start with. */
const refused: readonly (readonly [name: string, text: string, sentence: RegExp, beside?: Texts])[] = [
  ['cp_enable', 'false', /without a control plane .*; set it to true, or do not start vipd$/],
  ['cp_enable', 'maybe', /^environment cp_enable: it is neither true nor false; write one of them$/],
  ['svc_enable', 'true', /; set cp_enable, or leave kube-vip to the Services$/, { cp_enable: 'false' }],
  ['bgp_enable', 'true', /^environment bgp_enable: vipd announces by ARP and NDP, not by BGP; set vip_arp instead, or/],
  ['vip_routingtable', 'true', /routing tables; set vip_arp instead/],
  ['vip_wireguard', 'true', /WireGuard; set vip_arp instead/],
  ['vip_packet', 'true', /Equinix Metal; set vip_arp instead/],
  ['vip_ddns', 'true', /DHCP server/],
  ['--leaderElectionType', 'etcd', /^flag --leaderElectionType: vipd elects by a Lease of Kubernetes alone/],
  ['--config-file', '/kube-vip.yaml', /^flag --config-file: kube-vip's own file is not read/],
  ['vip_subnet', '24,x', /not a prefix length/],
  ['vip_cidr', '1,2,3', /not a prefix length/],
  ['vip_subnet', '33', /^environment vip_subnet: a prefix of an IPv4 address has at most 32 bits; write 32$/],
  ['health_check_port', '80', /it is not a port; write a number from 1024 to 65535, or 0 for none$/],
  ['vip_leaseduration', '5s', /not a number of seconds; write one, such as 15$/],
  ['vip_renewdeadline', '0', /not a number of seconds/],
  ['vip_retryperiod', 'x', /not a number of seconds/],
  ['backend_health_check_interval', 'x', /not a number of seconds/, balanced],
  ['vip_arpRate', 'fast', /not a number of milliseconds/],
  ['dns_mode', 'ipv9', /^environment dns_mode: .*first/],
  ['vip_leaseannotations', '{"a":1}', /^environment vip_leaseannotations: .*the value of a is not a text/],
  ['vip_leaseannotations', '{', /^environment vip_leaseannotations: it is not JSON; write an object/],
  ['enable_node_labeling', 'maybe', /neither true nor false/],
  ['kubernetes_addr', 'http://10.0.0.1:8080', /^environment kubernetes_addr: .*is not an API server; write one/],
  ['health_check_port', 'x', /it is not a port; write a number from 1024 to 65535, or 0 for none$/],
  ['port', '99999', /^environment port: it is not a port/],
  ['lb_port', '0', /^environment lb_port: it is not a port/],
  ['vip_loglevel', 'high', /not a number/],
  ['address', '10.0.0.300', /^environment address: .*neither an address nor a DNS name/],
  ['vip_interface', 'a/b', /^environment vip_interface: vips\[0\]\.interface .*cannot be an interface/],
  ['vip_leaseduration', '5', /renewDeadline .*10s is not less than the lease duration, 5s/],
];

/** Settings of which nothing is said whatever they are, because what vipd does is right for all of it. */
const silent: Texts = {
  vip_leaderelection: 'false',
  vip_loseleadership: 'true',
  vip_allow_interface_not_up: 'true',
  vip_skipdad: 'true',
  cp_detect: 'true',
  dns_mode: 'first',
  iptables_backend: 'nft',
  egress_withnftables: 'false',
};

test('what is other than in kube-vip is one warning, and nothing else is said', async () => {
  assert.deepEqual(await warningsOf(base), []);
  for (const [name, text, sentence, beside = {}] of warned) {
    const warnings = await warningsOf({ ...base, ...beside, [name]: text });
    assert.equal(warnings.length, 1, `${name}: ${warnings}`);
    assert.match(warnings[0] ?? '', sentence);
  }
  for (const [name, text] of Object.entries(silent)) {
    assert.deepEqual(await warningsOf({ ...base, [name]: text }), [], name);
  }
});

test('what vipd cannot be is refused in a sentence that names the setting', async () => {
  for (const [name, text, sentence, beside = {}] of refused) {
    const setting = kubeVipSettings.find((candidate) => candidate.name === name);
    const environment = { ...base, ...beside };
    const given = setting?.variable === undefined ? { environment, flags: { [name.slice(2)]: text } } : undefined;
    const problems = await problemsOf(undefined, given ?? { environment: { ...environment, [name]: text } });
    assert.ok(
      problems.some((problem) => sentence.test(problem)),
      `${name}: ${problems}`,
    );
  }
});

test('every setting of the table is tried above, or nothing ever comes of it', async () => {
  const tried = new Set([...carried, ...warned, ...refused].map(([name]) => name));
  for (const name of Object.keys(silent)) tried.add(name);
  for (const { name, variable, flags, isSwitch } of kubeVipSettings) {
    if (tried.has(name) || name === 'vip_address') continue;
    for (const text of isSwitch ? ['true', 'false'] : ['1', 'x', '10.0.0.1', '{}']) {
      if (variable !== undefined) assert.deepEqual(await warningsOf({ ...base, [variable]: text }), [], name);
      for (const flag of flags) assert.deepEqual(await warningsOf(base, { [flag]: text }), [], name);
    }
  }
});

test("beside kube-vip's settings its defaults count: lease times, no load balancer", async () => {
  const of = (path: string, more: Texts = {}) => printed(path, { environment: { ...base, ...more } });
  assert.equal(await of('election.lease.duration'), "15s # from default: kube-vip's");
  assert.equal(await of('election.lease.renewDeadline'), "10s # from default: kube-vip's");
  assert.equal(await of('election.lease.retryPeriod'), "2s # from default: kube-vip's");
  assert.equal(await of('loadBalancer.mode'), "off # from default: kube-vip's");
  assert.equal(await of('loadBalancer.ports', balanced), '[ 6443 ] # from default');
  const front = { ...balanced, lb_port: '8443' };
  assert.equal(await of('loadBalancer.backends.port', front), "6443 # from default: kube-vip's");
  assert.equal(await of('deadManSwitch'), '3s # from default');
  const short = { vip_leaseduration: '4', vip_renewdeadline: '3', vip_retryperiod: '2' };
  assert.equal(await of('deadManSwitch', short), '2s # from default: as short as vip_leaseduration asks for');
  const empty = Object.fromEntries(kubeVipSettings.flatMap(({ variable }) => (variable ? [[variable, '']] : [])));
  const loaded = await settingsOf(undefined, { environment: { ...empty, ...base } });
  const plain = await settingsOf(undefined, { environment: base });
  assert.deepEqual(loaded, plain, 'an empty variable is none');
  const flags = Object.fromEntries(kubeVipSettings.flatMap((setting) => setting.flags.map((flag) => [flag, ''])));
  const { address: _, interface: __, ...others } = flags;
  const { metrics, ...rest } = await settingsOf(undefined, { environment: base, flags: others });
  assert.deepEqual(
    [metrics.listen, { ...rest, metrics: plain.metrics }],
    [undefined, plain],
    'and so is an empty flag',
  );
});

test('general names count only beside one that is kube-vip’s alone', async () => {
  const general = { address: '10.0.0.8', port: '80', annotation: 'x', dns_mode: 'dual', prometheus_server: ':1' };
  const { vips, metrics } = await settingsOf(undefined, { environment: general, flags: { address: '10.0.0.9' } });
  assert.deepEqual(vips[0]?.addresses, [{ ip: '10.0.0.9', prefixLength: 32 }]);
  assert.equal(vips[0]?.election.lease.duration, 5000);
  assert.deepEqual([metrics.listen?.port, vips[0]?.dns.mode], [2112, 'first']);
  const told = await settingsOf(undefined, { environment: general, flags: { controlplane: 'true' } });
  assert.deepEqual(told.vips[0]?.addresses, [{ ip: '10.0.0.8', prefixLength: 32 }]);
});

test('flag over environment over file over default, whoever’s names they are; of two alike vipd’s own wins', async () => {
  const file = 'vips: [{ addresses: [10.0.0.9], election: { lease: { duration: 30s, retryPeriod: 3s } } }]';
  const duration = async (environment: Texts, flags: Texts = {}) => {
    const loaded = await load(file, { environment, flags });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join());
    return [loaded.settings.vips[0]?.election.lease.duration, ...loaded.warnings];
  };
  const alias = { vip_leaseduration: '20' };
  const own = { VIPD_LEASE_DURATION: '25s' };
  assert.deepEqual(await duration({ vip_arp: 'true' }), [30_000]);
  assert.deepEqual(await duration(alias), [20_000]);
  const lost = 'environment vip_leaseduration: VIPD_LEASE_DURATION wins over it';
  assert.deepEqual(await duration({ ...alias, ...own }), [25_000, lost]);
  assert.deepEqual(await duration({ ...alias, VIPD_LEASE_DURATION: '20000ms' }), [20_000], 'they say the same');
  assert.deepEqual(await duration(own, { leaseDuration: '22' }), [22_000]);
  const both = { leaseDuration: '22', 'lease-duration': '23s' };
  assert.deepEqual(await duration({}, both), [23_000, 'flag --leaseDuration: --lease-duration wins over it']);
  assert.deepEqual(await duration(alias, { leaseDuration: '22' }), [
    22_000,
    'environment vip_leaseduration: flag --leaseDuration wins over it; in kube-vip the environment does',
  ]);
  const mode = { ...base, ...balanced, VIPD_LOAD_BALANCER: 'proxy' };
  assert.deepEqual(await warningsOf(mode), [], 'lb_enable leaves open which');
  assert.equal((await settingsOf(undefined, { environment: mode })).vips[0]?.loadBalancer.mode, 'proxy');
});

test('in a pod with a service account the Lease is in its namespace, as kube-vip has it', async () => {
  await load('');
  writeFileSync(fileName, 'ha\n');
  const namespaceOf = async (environment: Texts, flags: Texts = {}) => {
    const loaded = await loadSettings({ hostname: 'cp1', environment, flags, namespaceFile: fileName });
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.warnings, []);
    return loaded.settings.vips[0]?.election.lease.namespace;
  };
  assert.equal(await namespaceOf({ VIPD_ADDRESS: '10.0.0.9' }), 'kube-system');
  assert.equal(await namespaceOf({ ...base, cp_namespace: 'kube-system' }), 'ha');
  assert.equal(await namespaceOf(base, { namespace: 'kube-system' }), 'ha');
  assert.equal(await namespaceOf({ ...base, vip_leasename: 'own/lock' }), 'own');
  assert.equal(await namespaceOf({ ...base, VIPD_LEASE_NAMESPACE: 'ha' }), 'ha');
});

test('no values of kube-vip’s settings make the loader throw', async () => {
  const name = fc.constantFrom(...kubeVipSettings.map((setting) => setting.name));
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('true', 'false', '1', '10.0.0.9', 'a/b/c', ',', '/', '-1', ':2112'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, text), { maxLength: 8 }), async (pairs) => {
      const environment = { ...base, ...Object.fromEntries(pairs) };
      const flags = Object.fromEntries(pairs.map(([key, value]) => [key.replace(/^--/, ''), value]));
      await load(undefined, { environment });
      await load(undefined, { flags });
    }),
    { numRuns: 100 },
  );
});

/** For each generated manifest: addresses, lease times and switch in seconds, what is balanced, and the warnings. */
const generated: Readonly<Record<keyof typeof kubeVipPods, readonly unknown[]>> = {
  'v0.7': [['10.77.0.100/32'], [5, 3, 1, 3], 'off', ['svc_enable']],
  'v0.8': [['10.77.0.100/32'], [5, 3, 1, 3], 'auto 8443 6443', []],
  'v1.0': [['10.77.0.100/24', 'fd77::100/64'], [4, 3, 2, 2], 'off', ['vip_subnet']],
  'v1.2': [['10.77.0.100/32'], [15, 10, 2, 3], 'auto 6443 6443', ['lb_fwdmethod']],
};

test("the environments of kube-vip's own manifests give what they ask for", async () => {
  for (const [version, expected] of Object.entries(generated)) {
    const loaded = await load(undefined, { environment: kubeVipPods[version as keyof typeof kubeVipPods] });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join('\n'));
    const { node, metrics, vips } = loaded.settings;
    const [vip] = vips;
    assert.ok(vip !== undefined && vip.deadManSwitch !== 'off');
    const { lease } = vip.election;
    const times = [lease.duration, lease.renewDeadline, lease.retryPeriod, vip.deadManSwitch].map((t) => t / 1000);
    const { mode, ports, backends } = vip.loadBalancer;
    const balancing = mode === 'off' ? mode : `${mode} ${ports} ${backends.from === 'nodes' && backends.port}`;
    const names = loaded.warnings.map((warning) => /^environment (\w+): /.exec(warning)?.[1]);
    const addresses = vip.addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`);
    assert.deepEqual([addresses, times, balancing, names], expected, version);
    assert.deepEqual([node.name, metrics.listen?.port, vip.interface], ['cp1', 2112, 'eth0']);
    assert.deepEqual([lease.namespace, lease.name], ['kube-system', 'plndr-cp-lock']);
  }
});
