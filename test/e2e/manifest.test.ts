import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { effectiveCapabilities } from '../../src/kernel/linux/capabilities.js';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { type Cluster, type ClusterNode, createCluster, vip } from '../../src/lab/cluster.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { clock, until } from '../netns/poll.js';
import { program } from '../netns/program.js';
import { run } from '../unit/cli/fake-io.js';
import { containerOf, environmentOf, podOf, type Resource, type Rule, resourcesOf } from '../unit/manifest/printed.js';

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS);
const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : programs === undefined && 'no kube-apiserver here: run scripts/install-apiserver.sh';

const collections: Readonly<Record<string, string>> = {
  Pod: 'pods',
  DaemonSet: 'daemonsets',
  ServiceAccount: 'serviceaccounts',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};

async function printed(line: string): Promise<string> {
  const { code, stdout, stderr } = await run(`manifest ${line}`);
  assert.deepEqual([code, stderr], [0, ''], line);
  return stdout;
}

if (skip !== false) {
  test('manifests and the real Kubernetes API', { skip }, () => {});
} else {
  describe('manifests and the real Kubernetes API', () => {
    let folder = '';
    let cluster: Cluster;
    let node: ClusterNode;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'vipd-'));
      const api = { programs: programs as string };
      cluster = await createCluster({ program, clock, name: 'manifest', folder, api, size: 1 });
      [node] = cluster.nodes as [ClusterNode];
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    async function call(method: string, path: string, body?: unknown, token = cluster.api.token) {
      const type = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
      const answer = await cluster.client.call({
        method,
        url: `https://${node.host.ip}:6443${path}`,
        headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': type },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: JSON.parse(answer.body) };
    }

    /** As `kubectl apply --server-side` does it, which refuses fields that the schema does not have. */
    function apply(resource: Resource, options = '') {
      const { apiVersion, kind, metadata } = resource;
      const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const namespace = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
      const path = `${group}${namespace}/${collections[kind]}/${metadata.name}`;
      return call('PATCH', `${path}?fieldManager=test${options}`, resource);
    }

    /** The real one, as the administrator. */
    function kubectl(...words: readonly string[]): Promise<string> {
      const server = ['--kubeconfig', cluster.api.kubeconfig, '--server', `https://${node.host.ip}:6443`];
      return node.host.run('kubectl', [...server, ...words]);
    }

    test('the API server takes what is printed, and would refuse a field that it does not know', async () => {
      const at = '--address 192.168.1.100';
      for (const line of [
        `pod ${at}`,
        `pod ${at} --inCluster --health-check-ca /etc/pki/ca.crt --metrics-listen 127.0.0.1:80`,
        `pod ${at} --log-format text --metrics-listen off`,
        `kubeadm init ${at}`,
        `daemonset ${at}`,
        `daemonset ${at} --taint --kubeconfig /etc/vipd.conf`,
        'rbac',
        'rbac --lease-namespace default --load-balancer off',
      ]) {
        const text = await printed(line);
        for (const resource of resourcesOf(text)) {
          const { status, body } = await apply(resource, '&dryRun=All');
          assert.equal(status, 201, `${line}: ${JSON.stringify(body)}`);
        }
        const file = join(folder, 'printed.yaml');
        await writeFile(file, text);
        const said = await kubectl('apply', '--dry-run=server', '-f', file);
        const created = said.split('\n').filter((said) => said.endsWith(' created (server dry run)'));
        assert.equal(created.length, resourcesOf(text).length, `${line}: ${said}`);
      }
      const [pod] = resourcesOf(await printed(`pod ${at}`));
      assert.ok(pod !== undefined);
      const { status, body } = await apply(
        { ...pod, spec: { ...pod.spec, hostNetwrok: true } as never },
        '&dryRun=All',
      );
      assert.notEqual(status, 201);
      assert.match(body.message, /hostNetwrok: field not declared in schema/);
    });

    test('the rights are those that are printed, and enough for the daemon in a container as printed', async () => {
      const resources = resourcesOf(await printed('rbac'));
      const account = resources.filter(({ kind }) => kind === 'ServiceAccount');
      for (const resource of account) assert.equal((await apply(resource)).status, 201);
      const { body } = await call('POST', '/api/v1/namespaces/kube-system/serviceaccounts/vipd/token', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {},
      });
      const token: string = body.status.token;
      /** What the account may do in a namespace. */
      const rulesIn = async (namespace: string): Promise<readonly string[]> => {
        const review = await call(
          'POST',
          '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
          { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } },
          token,
        );
        assert.equal(review.body.status?.incomplete, false, JSON.stringify(review.body));
        return review.body.status.resourceRules.map(ruleText);
      };
      // What everybody may who is somebody: ask what he may.
      const everybody = { 'kube-system': await rulesIn('kube-system'), default: await rulesIn('default') };
      /** The lines of a namespace's table, without its columns' widths. */
      const tableIn = async (namespace: string) =>
        (await kubectl('auth', 'can-i', '--list', '--token', token, '--namespace', namespace))
          .split('\n')
          .map((line) => line.replace(/ +/g, ' '));
      const before = await tableIn('default');
      for (const resource of resources) assert.ok((await apply(resource)).status < 300, resource.kind);
      const rulesOf = (wanted: string) =>
        resources.filter(({ kind }) => kind === wanted).flatMap(({ rules = [] }) => rules.map(ruleText));
      const expected = {
        'kube-system': [...everybody['kube-system'], ...rulesOf('Role'), ...rulesOf('ClusterRole')].sort(),
        default: [...everybody.default, ...rulesOf('ClusterRole')].sort(),
      };
      assert.equal(expected['kube-system'].length, everybody['kube-system'].length + 4);
      await until(async () => (await rulesIn('kube-system')).length === expected['kube-system'].length, {
        what: 'the rights',
      });
      assert.deepEqual((await rulesIn('kube-system')).toSorted(), expected['kube-system']);
      assert.deepEqual((await rulesIn('default')).toSorted(), expected.default);
      const added = async (namespace: string) =>
        (await tableIn(namespace)).filter((line) => !before.includes(line)).sort();
      const nodes = 'nodes [] [] [list watch]';
      assert.deepEqual(await added('kube-system'), [
        'events [] [] [create]',
        'leases.coordination.k8s.io [] [] [create]',
        'leases.coordination.k8s.io [] [plndr-cp-lock] [get update list watch]',
        nodes,
      ]);
      assert.deepEqual(await added('default'), [nodes]);

      await runAsPrinted(token);
      assert.equal((await call('GET', leases, undefined, token)).status, 403);
      assert.equal((await call('GET', `${leases}/plndr-cp-lock`, undefined, token)).status, 200);
      assert.equal((await call('DELETE', `${leases}/plndr-cp-lock`, undefined, token)).status, 403);
      assert.equal((await call('GET', '/api/v1/nodes/cp1', undefined, token)).status, 403);
    });

    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';

    /** Runs the daemon as the kubelet would run the container of the DaemonSet, until it has served and given up the VIP. */
    async function runAsPrinted(token: string): Promise<void> {
      const pod = podOf(await printed(`daemonset --address ${vip} --log-level debug`));
      const { capabilities } = containerOf(pod).securityContext;
      const run = join(folder, 'run');
      const secrets = join(folder, 'secrets');
      await Promise.all([mkdir(run), mkdir(secrets)]);
      await writeFile(join(secrets, 'token'), token);
      await writeFile(join(secrets, 'ca.crt'), await readFile(join(folder, 'kubernetes/ca.pem')));
      const service = { KUBERNETES_SERVICE_HOST: node.host.ip, KUBERNETES_SERVICE_PORT: '6443' };
      const environment = { ...environmentOf(pod, node.name), ...service, PATH: process.env.PATH };
      const own = capabilities.add.map((name) => `+${name.toLowerCase()}`);
      const script = `
        mount --make-rprivate /
        mount -t tmpfs tmpfs /run
        mkdir -p /run/vipd /run/secrets/kubernetes.io/serviceaccount
        mount --bind ${run} /run/vipd
        mount --bind ${secrets} /run/secrets/kubernetes.io/serviceaccount
        mount --bind /proc/sys /proc/sys
        mount -o remount,bind,ro /proc/sys
        awk '$5 !~ "^/(run|proc|dev|sys)" { print $5 }' /proc/self/mountinfo | while read -r place; do
          mount -o remount,bind,ro "$place"
        done
        exec setpriv --bounding-set=-all,${own.join(',')} --inh-caps=-all --no-new-privs \\
          env -i "$@"`;
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      const words = [...variables, program.node, program.script, ...containerOf(pod).args];
      const daemon = await startDaemon(
        node.host,
        'unshare',
        ['-m', 'sh', '-ec', script, 'sh', ...words],
        join(folder, 'container.log'),
      );
      const log = () => readFile(daemon.log, 'utf8');
      /** The backends when the VIP is held. */
      const backends = async () => {
        if (!daemon.running()) throw new Error(await log());
        const answer = await askStatus(join(run, 'vipd.sock'));
        const [status] = answer.ok ? answer.status.vips : [];
        return status?.held === true ? status.loadBalancer.backends.map(({ name, state }) => `${name} ${state}`) : [];
      };
      await until(async () => (await backends()).join() === 'cp1 up', {
        what: 'the VIP held, and a backend that is up',
      });
      // What comes later is told by the watch alone; a refused one is in the log.
      await cluster.administrator.addNode({ name: 'cp2', ips: ['10.77.0.12'], controlPlane: true });
      await until(async () => (await backends()).length === 2, { what: 'the new node' });
      assert.equal(await cluster.administrator.leaseHolder(), node.name);
      const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
      assert.deepEqual([...effectiveCapabilities(status)].sort(), capabilities.add.toSorted());
      assert.match(status, /^NoNewPrivs:\t1$/m);
      // Tried as the daemon sees it: its own files, and the kernel's settings, which no plain container may write.
      for (const file of [program.script, '/proc/sys/net/ipv4/ip_forward'])
        await assert.rejects(appendFile(`/proc/${daemon.pid}/root${file}`, ''), { code: 'EROFS' });
      daemon.signal('SIGTERM');
      assert.equal((await daemon.ended).code, 0, await log());
      assert.equal(await cluster.administrator.leaseHolder(), '');
      assert.doesNotMatch(await log(), /forbidden|EACCES|EPERM|EROFS/);
    }
  });
}

function ruleText({ apiGroups, resources, resourceNames = [], verbs }: Rule): string {
  return JSON.stringify([apiGroups, resources, resourceNames, verbs]);
}
