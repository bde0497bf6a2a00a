import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadSettings } from '../../../src/config/load.js';
import { kubeVipPods } from '../../fakes/kube-vip-pods.js';
import { environmentOf, podSpecOf } from '../../netns/kubelet.js';
import { settingsOf } from '../config/load-text.js';
import { imported, problemsOf } from './imported.js';

const fixtures = join(import.meta.dirname, '../../../../test/fixtures/kube-vip');

/** A static pod as kube-vip's own generator writes it, with this environment. */
function pod(environment: Readonly<Record<string, string>>, args = '["manager"]'): string {
  const variables = Object.entries(environment).map(
    ([name, value]) => `    - name: ${name}\n      value: ${JSON.stringify(value)}\n`,
  );
  return `apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: null
  name: kube-vip
  namespace: kube-system
spec:
  containers:
  - args: ${args}
    env:
    - name: vip_nodename
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
${variables.join('')}    image: ghcr.io/kube-vip/kube-vip:v0.8.0
    name: kube-vip
  hostNetwork: true
`;
}

const base = { vip_arp: 'true', cp_enable: 'true', address: '192.168.1.100' };
const times = { vip_leaseduration: '5', vip_renewdeadline: '3', vip_retryperiod: '1' };

function importPod(environment: Readonly<Record<string, string>>, args?: string) {
  const { yaml, vips, remarks } = imported({ 'kube-vip': pod(environment, args) });
  const said = remarks.filter((remark) => !remark.includes('vip_nodename: not carried over'));
  return { vip: vips[0], file: parse(yaml), remarks: said.join('\n') };
}

test("the generator's manifest of a control plane with load balancer", () => {
  const { file, remarks } = importPod({
    ...base,
    ...times,
    port: '8443',
    vip_interface: 'eth0',
    vip_subnet: '32',
    dns_mode: '',
    cp_namespace: 'kube-system',
    vip_ddns: 'false',
    vip_leaderelection: 'true',
    vip_leasename: 'plndr-cp-lock',
    lb_enable: 'true',
    lb_port: '8443',
    lb_fwdmethod: 'masquerade',
    prometheus_server: ':2112',
    k8s_config_file: '/etc/kubernetes/super-admin.conf',
  });
  assert.equal(remarks, '');
  assert.deepEqual(file, {
    kubernetes: { kubeconfig: '/etc/kubernetes/super-admin.conf' },
    vips: [{ name: 'api', addresses: ['192.168.1.100'], interface: 'eth0', loadBalancer: { ports: [8443] } }],
  });
});

test('lease times, lease and log level are those of the manifest', () => {
  const { vip, file, remarks } = importPod({
    ...base,
    vip_leaseduration: '4',
    vip_renewdeadline: '3',
    vip_retryperiod: '2',
    vip_leasename: 'ha/lock',
    vip_arpRate: '1000',
    vip_loglevel: '-4',
    prometheus_server: ':9112',
  });
  assert.equal(remarks, '');
  assert.deepEqual(vip.election.lease, { namespace: 'ha', name: 'lock', duration: '4s', retryPeriod: '2s' });
  assert.equal(vip.deadManSwitch, '2s', 'a dead leader is gone before another may lead');
  assert.deepEqual(vip.announce, { interval: '1s' });
  assert.deepEqual(vip.loadBalancer, { mode: 'off' });
  assert.deepEqual([file.metrics, file.log], [{ listen: ':9112' }, { level: 'debug' }]);
  assert.match(importPod(base).remarks, /yaml:9: kube-vip: it has no lease times/);
});

test('what is imported from a manifest is what the daemon makes of the same environment', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vipd-import-'));
  const file = join(folder, 'vipd.yaml');
  const read = async (flags: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>>) => {
    const loaded = await loadSettings({ hostname: 'cp1', flags, environment });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join('\n'));
    return loaded.settings;
  };
  for (const given of [...Object.values(kubeVipPods), { ...base, lb_enable: 'true', lb_port: '8443' }, base]) {
    const { vip_nodename: _, ...environment } = { vip_nodename: '', ...given };
    writeFileSync(file, imported({ 'kube-vip': pod(environment) }).yaml);
    assert.deepEqual(await read({ config: file }, {}), await read({}, given));
  }
  // And of the manifests themselves, pods and DaemonSets.
  const manifests = readdirSync(fixtures).filter((name) => name !== 'rbac.yaml');
  assert.equal(manifests.length, 12);
  for (const name of manifests) {
    const text = readFileSync(join(fixtures, name), 'utf8');
    const { vip_nodename: _, ...environment } = { vip_nodename: '', ...environmentOf(podSpecOf(text), 'cp1') };
    writeFileSync(file, imported({ 'kube-vip': text }).yaml);
    assert.deepEqual(await read({ config: file }, {}), await read({}, environment), name);
  }
  rmSync(folder, { recursive: true });
});

test('addresses: several, of both families, with prefixes, the former names', () => {
  const addressesOf = (environment: Readonly<Record<string, string>>) =>
    importPod({ vip_arp: 'true', cp_enable: 'true', ...times, ...environment }).vip.addresses;
  assert.deepEqual(addressesOf({ vip_address: '192.168.0.40', vip_cidr: '32' }), ['192.168.0.40']);
  assert.deepEqual(addressesOf({ address: '192.168.1.100, 2001:db8::100', vip_subnet: '24,64' }), [
    '192.168.1.100/24',
    '2001:db8::100/64',
  ]);
  const name = importPod({ ...base, ...times, address: 'api.example.org' });
  assert.deepEqual(name.vip.addresses, ['api.example.org']);
  assert.match(
    importPod({ cp_enable: 'true', ...times }).remarks,
    /yaml:9: kube-vip: it has no address; write addresses/,
  );
});

test('flags count as the environment does, which wins', () => {
  const { vip, remarks } = importPod(
    { vip_interface: 'eth1', ...times },
    '["manager", "--controlplane", "--arp", "--interface", "eth0", "--address=192.168.1.100", "--enableLoadBalancer", "--frobnicate", "7"]',
  );
  assert.deepEqual(vip, { name: 'api', addresses: ['192.168.1.100'], interface: 'eth1' });
  assert.equal(remarks, 'kube-vip.yaml:9: --frobnicate: not carried over: vipd has nothing like it');
});

test('what vipd has nothing for is named; what is off is not', () => {
  const { remarks } = importPod({
    ...base,
    ...times,
    svc_enable: 'true',
    svc_election: 'false',
    bgp_enable: 'true',
    lb_enable: 'true',
    lb_fwdmethod: 'local',
    port: '99999',
    vip_arpRate: '100',
    vip_subnet: 'auto',
    vip_loglevel: 'high',
    new_in_kube_vip: '1',
  });
  const named = remarks.split('\n').map((remark) => remark.split(': ').slice(1, 3).join(': '));
  assert.deepEqual(named, [
    'svc_enable true: not carried over',
    'bgp_enable true: not carried over',
    'lb_fwdmethod local: vipd shares connections among all nodes, by masquerading or relaying them',
    'port 99999: not carried over',
    'vip_arpRate 100: not carried over',
    'vip_subnet auto: not carried over',
    'vip_loglevel high: not carried over',
    'new_in_kube_vip 1: not carried over',
  ]);
});

test('a DaemonSet among other documents is found; without a control plane there is no VIP', () => {
  const set = `kind: ServiceAccount
---
kind: DaemonSet
spec:
  template:
    spec:
      containers:
      - name: vip
        image: ghcr.io/kube-vip/kube-vip@sha256:0
        env: [{ name: cp_enable, value: "true" }, { name: address, value: 192.168.1.100 }]
      - name: kube-vip
`;
  const { vips, remarks } = imported({ 'kube-vip': set });
  assert.deepEqual(vips[0].addresses, ['192.168.1.100']);
  assert.match(remarks.join('\n'), /yaml:11: kube-vip: not carried over: line 8 has another/);
  const services = imported({ 'kube-vip': pod({ cp_enable: 'false', svc_enable: 'true' }) });
  assert.deepEqual(services.vips, []);
  assert.match(services.remarks.join('\n'), /cp_enable is not true/);
  assert.deepEqual(imported({ 'kube-vip': 'kind: Pod\n' }).remarks, [
    'kube-vip.yaml:1: kube-vip.yaml: no container of kube-vip is in it',
  ]);
});

test('what is no YAML is refused with its line', () => {
  assert.match(problemsOf({ 'kube-vip': 'a: 1\nb: ]\n' })[0] ?? '', /^kube-vip\.yaml:2: .*; mend the YAML$/);
  assert.match(problemsOf({ 'kube-vip': '['.repeat(200_000) })[0] ?? '', /^kube-vip\.yaml:\d+: .*; mend the YAML$/);
});

/** A value of each kind of setting, other than what there is without it. */
const carried: Readonly<Record<string, string>> = {
  vip_subnet: '32',
  vip_interface: 'eth1',
  vip_leasename: 'ha/lock',
  vip_leaseduration: '20',
  vip_renewdeadline: '12',
  vip_retryperiod: '3',
  vip_arpRate: '1000',
  vip_loglevel: '4',
  vip_leaseannotations: '{"example.com/team":"net"}',
  dns_mode: 'dual',
  enable_node_labeling: 'true',
  health_check_port: '10256',
  k8s_config_file: '/etc/kubernetes/own.conf',
  kubernetes_addr: '10.0.0.1:6443',
  prometheus_server: '127.0.0.1:9112',
  port: '8443',
  backend_health_check_interval: '7',
  lb_port: '443',
};

test('a daemon with the file that is imported is as one with the environment', async () => {
  const without = await settingsOf(undefined, { environment: { ...base, lb_enable: 'true' } });
  for (const [name, value] of Object.entries(carried)) {
    const environment = { ...base, lb_enable: 'true', [name]: value };
    const expected = await settingsOf(undefined, { environment });
    const { yaml } = imported({ 'kube-vip': pod(environment) });
    assert.deepEqual(await settingsOf(yaml), expected, name);
    if (name !== 'vip_subnet') assert.notDeepEqual(expected, without, name);
  }
});
