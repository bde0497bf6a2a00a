import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from '../../../src/config/load.js';
import { requireCapabilities } from '../../../src/host.js';
import { run } from '../cli/fake-io.js';
import { containerOf, environmentOf, type Pod, podOf, resourcesOf } from './printed.js';

const repository = join(import.meta.dirname, '../../../..');
const folder = mkdtempSync(join(tmpdir(), 'vipd-manifest-'));
after(() => rmSync(folder, { recursive: true }));

async function printed(line: string, environment: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(`manifest ${line}`, { environment });
  assert.deepEqual([code, stderr], [0, ''], line);
  return stdout;
}

const podFor = async (line: string, environment: Record<string, string> = {}): Promise<Pod> =>
  podOf(await printed(line, environment));

/** The paths on the host, and where the container has them. */
function mountsOf(pod: Pod): Record<string, string> {
  const mountPaths = new Map(containerOf(pod).volumeMounts.map((mount) => [mount.name, mount]));
  return Object.fromEntries(
    pod.volumes.map(({ name, hostPath }) => {
      const mount = mountPaths.get(name);
      return [hostPath.path, `${hostPath.type} ${mount?.mountPath}${mount?.readOnly === true ? ' ro' : ''}`];
    }),
  );
}

test('manifests/ has what the command prints', () => {
  const { status, stderr } = spawnSync('node', [join(repository, 'scripts/generate-manifests.mjs'), '--check'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('systemd prints the file of the package, from the bundle as well', async () => {
  const unit = readFileSync(join(repository, 'manifests/vipd.service'), 'utf8');
  assert.equal(await printed('systemd'), unit);
  const command = [join(repository, 'dist/vipd.js'), 'manifest', 'systemd'];
  const { stdout } = spawnSync(process.execPath, command, { encoding: 'utf8', cwd: '/', env: {} });
  assert.equal(stdout, unit);
});

/** What people ask for, and what the daemon must then read out of the container's environment. */
const lines: Readonly<Record<string, Record<string, string>>> = {
  '--address 192.168.1.100': {},
  '--address 192.168.1.100/24 --address 2001:db8::100 --interface eth0 --ports 6443,8443': {},
  '--address 10.0.0.9 --lease-duration 15s --lease-renew-deadline 10s --lease-retry-period 2s --dead-man-switch off':
    {},
  '--address 10.0.0.9 --metrics-listen off --log-format text --load-balancer off --on-api-loss release': {},
  '--address 10.0.0.9 --admin-socket /run/vipd2/other.sock --metrics-listen 127.0.0.1:2113': {},
  '--address 10.0.0.9 --backends-from static --backends cp1=10.0.0.1:6443,cp2=[2001:db8::2]:6443 --load-balancer proxy':
    {},
  '--address 10.0.0.9 --election vrrp --vrrp-track-interfaces eth1=-10,eth2 --vrrp-unicast-peers 10.0.0.2 --vrrp-preempt false':
    {},
  '--address 10.0.0.9 --health-check-alive-statuses 200,401,403 --health-check-ca /etc/pki/vipd/ca.crt': {},
  '--interface eth1': { VIPD_ADDRESS: '10.0.0.9', VIPD_INTERFACE: 'eth0', VIPD_SCHEDULER: 'leastconn' },
};

test('the daemon in the container has the settings that were given', async () => {
  for (const [line, environment] of Object.entries(lines)) {
    const flags: Record<string, string[]> = {};
    for (const [, name = '', value = ''] of line.matchAll(/--(\S+) (\S+)/g))
      flags[name] = [...(flags[name] ?? []), value];
    const wanted = await loadSettings({ flags, environment, hostname: 'node' });
    for (const kind of ['pod', 'daemonset', 'kubeadm init', 'kubeadm join', 'pod --inCluster']) {
      const pod = await podFor(`${kind} ${line}`, environment);
      const got = await loadSettings({ flags: {}, environment: environmentOf(pod, 'node'), hostname: 'other' });
      assert.ok(wanted.ok && got.ok, line);
      assert.deepEqual(got.settings, wanted.settings, `${kind} ${line}`);
    }
  }
});

test('the container has the rights that the daemon asks for, and no other', async () => {
  for (const line of [...Object.keys(lines).slice(0, -1), '--address 10.0.0.9 --metrics-listen :80']) {
    const pod = await podFor(`pod ${line}`);
    const { securityContext } = containerOf(pod);
    const { add, drop } = securityContext.capabilities;
    assert.deepEqual(drop, ['ALL']);
    const loaded = await loadSettings({ flags: {}, environment: environmentOf(pod, 'node'), hostname: 'node' });
    assert.ok(loaded.ok);
    const demand = (given: readonly string[]) => () =>
      requireCapabilities({ effective: () => new Set(given) }, loaded.settings);
    assert.doesNotThrow(demand(add));
    for (const one of add) assert.throws(demand(add.filter((other) => other !== one)));
    assert.equal(securityContext.privileged, false);
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(securityContext.seccompProfile, { type: 'RuntimeDefault' });
  }
});

test('the Pod is of the host’s network, stays when memory runs out, and is asked how it is', async () => {
  const pod = await podFor('pod --address 10.0.0.9');
  assert.deepEqual(
    [pod.hostNetwork, pod.priorityClassName, pod.priority],
    [true, 'system-node-critical', 2_000_001_000],
  );
  const { livenessProbe, readinessProbe } = containerOf(pod);
  assert.deepEqual(livenessProbe?.httpGet, { path: '/livez', port: 2112 });
  assert.deepEqual(readinessProbe?.httpGet, { path: '/readyz', port: 2112 });
  const own = containerOf(await podFor('pod --address 10.0.0.9 --metrics-listen [::1]:9000'));
  assert.deepEqual(own.livenessProbe?.httpGet, { path: '/livez', port: 9000, host: '::1' });
  const off = containerOf(await podFor('pod --address 10.0.0.9 --metrics-listen off'));
  assert.deepEqual([off.livenessProbe, off.readinessProbe], [undefined, undefined]);
  for (const metrics of ['', ' --metrics-listen off']) {
    const apart = containerOf(await podFor(`pod --address 10.0.0.9 --health-listen :10256${metrics}`));
    assert.deepEqual(apart.livenessProbe?.httpGet, { path: '/livez', port: 10256 });
  }
});

const socket = { '/run/vipd': 'DirectoryOrCreate /run/vipd' };
const writable = { '/proc/sys/net': 'Directory /host/proc/sys/net', ...socket };
const admin = { '/etc/kubernetes/admin.conf': 'File /etc/kubernetes/admin.conf ro' };
const firstNode = { '/etc/kubernetes/super-admin.conf': 'File /etc/kubernetes/admin.conf ro' };
const own = { '/etc/vipd.conf': 'File /etc/kubernetes/admin.conf ro' };

/** What is mounted from the host, and whether the service account is there. */
const accesses: Readonly<Record<string, readonly [Record<string, string>, boolean]>> = {
  pod: [{ ...admin, ...writable }, false],
  'kubeadm join': [{ ...admin, ...writable }, false],
  'kubeadm init': [{ ...firstNode, ...writable }, false],
  'kubeadm init --kubeconfig /etc/vipd.conf': [{ ...own, ...writable }, false],
  'pod --kubeconfig /etc/vipd.conf': [{ ...own, ...writable }, false],
  'pod --inCluster': [writable, true],
  daemonset: [writable, true],
  'daemonset --inCluster': [writable, true],
  'daemonset --kubeconfig /etc/vipd.conf': [{ ...own, ...writable }, false],
  'pod --election none --load-balancer off': [socket, false],
  'daemonset --election none --load-balancer off': [socket, false],
  'pod --load-balancer proxy': [{ ...admin, ...socket }, false],
  'pod --health-check-ca /etc/pki/ca.crt': [
    { ...admin, '/etc/pki/ca.crt': 'File /etc/pki/ca.crt ro', ...writable },
    false,
  ],
};

test('of the host there is a kubeconfig or a service account, what files name, and the socket’s folder', async () => {
  for (const [line, [mounts, hasAccount]] of Object.entries(accesses)) {
    const pod = await podFor(`${line} --address 10.0.0.9`);
    assert.deepEqual(mountsOf(pod), mounts, line);
    assert.equal(pod.serviceAccountName, hasAccount ? 'vipd' : undefined, line);
    assert.equal(pod.automountServiceAccountToken, hasAccount ? undefined : false, line);
  }
});

test('a configuration file goes with its folder', async () => {
  const place = join(folder, 'etc');
  mkdirSync(place);
  const file = join(place, 'vipd.yaml');
  writeFileSync(
    file,
    'kubernetes: { kubeconfig: /etc/other/conf }\nvips: [{ addresses: [10.0.0.9] }, { name: web, addresses: [10.0.0.8], election: { type: none } }]',
  );
  const pod = await podFor(`pod --config ${file} --log-level warn`);
  assert.deepEqual(mountsOf(pod), {
    '/etc/other/conf': 'File /etc/other/conf ro',
    [place]: `Directory ${place} ro`,
    ...writable,
  });
  const environment = environmentOf(pod, 'cp7');
  assert.deepEqual(environment, { VIPD_CONFIG: file, VIPD_LOG_LEVEL: 'warn', VIPD_NODE_NAME: 'cp7' });
  assert.deepEqual(environmentOf(await podFor('pod', { VIPD_CONFIG: file }), 'cp7').VIPD_CONFIG, file);
});

test('every Pod is called as its node is', async () => {
  const pod = await podFor('pod --address 10.0.0.9 --node-name cp9');
  assert.equal(environmentOf(pod, 'cp7').VIPD_NODE_NAME, 'cp9');
  // The host that prints may be called anything.
  const { code } = await run('manifest daemonset --address 10.0.0.9', { hostname: 'My_Laptop' });
  assert.equal(code, 0);
});

test('an image without a tag is of this version', async () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  for (const [given, image] of [
    ['', 'localhost/vipd:1.2.3'],
    ['--image registry.example.org:5000/net/vipd', 'registry.example.org:5000/net/vipd:1.2.3'],
    ['--image vipd:2', 'vipd:2'],
    [`--image vipd@${digest}`, `vipd@${digest}`],
  ]) {
    assert.equal(containerOf(await podFor(`pod --address 10.0.0.9 ${given}`)).image, image);
  }
});

test('--taint is for the control-plane nodes, tainted as they are', async () => {
  const everywhere = await podFor('daemonset --address 10.0.0.9');
  assert.deepEqual([everywhere.tolerations, everywhere.affinity], [undefined, undefined]);
  const { tolerations, affinity } = await podFor('daemonset --address 10.0.0.9 --taint');
  assert.deepEqual(
    tolerations?.map(({ effect }) => effect),
    ['NoSchedule', 'NoExecute'],
  );
  assert.match(JSON.stringify(affinity), /"node-role\.kubernetes\.io\/control-plane","operator":"Exists"/);
});

test('rights follow what is enabled', async () => {
  const rules = async (line: string) =>
    resourcesOf(await printed(`rbac ${line}`)).flatMap(({ kind, metadata, rules = [] }) =>
      rules.map(
        (rule) =>
          `${kind} ${metadata.namespace ?? '*'} ${rule.resourceNames ?? '*'}: ${rule.verbs.join(' ')} ${rule.resources}`,
      ),
    );
  const lease = (namespace: string, name: string) => [
    `Role ${namespace} ${name}: get update list watch leases`,
    `Role ${namespace} *: create leases`,
    `Role ${namespace} *: create events`,
  ];
  const nodes = ['ClusterRole * *: list watch nodes'];
  const ownNode = ['ClusterRole * *: list nodes'];
  assert.deepEqual(await rules(''), [...lease('kube-system', 'plndr-cp-lock'), ...nodes]);
  const alone = '--address 10.0.0.9 --load-balancer off';
  assert.deepEqual(await rules(alone), [...lease('kube-system', 'plndr-cp-lock'), ...ownNode]);
  const [named, create] = lease('kube-system', 'plndr-cp-lock');
  assert.deepEqual(await rules(`${alone} --kubernetes-events false`), [named, create, ...ownNode]);
  assert.deepEqual(await rules('--lease-namespace net --lease-name a.b --role --rolebinding'), [
    ...lease('net', 'a.b'),
    ...nodes,
  ]);
  assert.deepEqual(await rules('--election vrrp'), nodes);
  assert.deepEqual((await rules('--node-label true')).at(-1), 'ClusterRole * *: list watch patch nodes');
  const labelled = '--address 10.0.0.9 --election none --load-balancer off --enableNodeLabeling';
  assert.deepEqual(await rules(labelled), ['ClusterRole * *: patch nodes']);
});

test('what is wrong is a sentence on stderr, exit code 2 and nothing on stdout', async () => {
  const at = '--address 10.0.0.9';
  const refusals: Readonly<Record<string, RegExp>> = {
    '': /^vipd: manifest alone does nothing; write manifest pod or .*\n$/,
    pod: /^vipd: vips\[0\]\.addresses \(--address, VIPD_ADDRESS\): no address is given; .*\n$/,
    kubeadm: /^vipd: .*phase.*\n$/i,
    'kubeadm init': /no address is given/,
    daemonset: /no address is given/,
    'pod --address 127.0.0.1': /^vipd: flag --address: .* is a loopback address, .*\n$/,
    [`pod ${at} --taint`]: /^vipd: vipd manifest pod has no flag --taint; .*\n$/,
    [`systemd ${at}`]: /^vipd: vipd manifest systemd has no flag --address; .*\n$/,
    [`kubeadm reset ${at}`]: /^vipd: vipd manifest kubeadm takes init or join, not "reset"\n$/,
    [`kubeadm init join ${at}`]: /^vipd: vipd manifest kubeadm takes no "join"; .*\n$/,
    [`pod ${at} --config /nonexistent/vipd.yaml`]: /cannot be read \(ENOENT\)/,
    [`pod ${at} --inCluster --kubeconfig /etc/x`]: /^vipd: --inCluster: .*; remove one\n$/,
    [`daemonset ${at} --inCluster --kubeconfig /etc/x`]: /^vipd: --inCluster: .*; remove one\n$/,
    [`daemonset ${at} --node-name cp1`]: /^vipd: node\.name \(--node-name, VIPD_NODE_NAME\): .*; remove it, .*\n$/,
    [`pod ${at} --kubeconfig admin.conf`]: /^vipd: kubernetes\.kubeconfig .* is not an absolute path, .*\n$/,
    [`pod ${at} --admin-socket /run/vipd.sock`]:
      /^vipd: admin\.socket .*: all of \/run would be mounted .* such as \/run\/vipd\n$/,
    [`pod ${at} --image Vipd!`]: /^vipd: --image: "Vipd!" is not the name of an image; .*\n$/,
    'rbac --election none --load-balancer off': /^vipd: neither .* so there are no rights to give\n$/,
  };
  for (const [line, sentence] of Object.entries(refusals)) {
    const { code, stdout, stderr } = await run(`manifest ${line}`);
    assert.deepEqual([code, stdout], [2, ''], line);
    assert.match(stderr, sentence);
  }
});
