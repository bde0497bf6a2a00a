import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { type Cluster, type ClusterNode, createCluster, vip } from '../../src/lab/cluster.js';
import { type KubeletNode, type StartedPod, startPod } from '../netns/kubelet.js';
import { clock, until } from '../netns/poll.js';
import { program } from '../netns/program.js';
import { type Resource, resourcesOf } from '../unit/manifest/printed.js';

// The manifests that kube-vip's own generator has written over the years, image replaced and nothing else: what a node's kubelet makes
// of them must give the address, the Lease and the pool that kube-vip gave.

const fixtures = join(import.meta.dirname, '../../../test/fixtures/kube-vip');
const programs = findRealServer(process.env.KUBEBUILDER_ASSETS);
const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : programs === undefined && 'no kube-apiserver here: run scripts/install-apiserver.sh';

interface Form {
  /** Below test/fixtures/kube-vip. */
  readonly file: string;
  /** What kube-vip's generator was asked for, beside `--controlplane --arp --leaderElection --address`. */
  readonly flags: string;
  readonly lease: string;
  /** Seconds. */
  readonly duration: number;
  /** The port of the load balancer; `off`: there is none. */
  readonly balanced: number | 'off';
  /** Which variables there is a warning for. */
  readonly warned: readonly string[];
}

const old = { lease: 'plndr-cp-lock', duration: 5 };
const recent = { lease: 'plndr-cp-lock', duration: 15 };

const forms: readonly Form[] = [
  { file: 'v0.7-pod', flags: '--interface', ...old, balanced: 'off', warned: [] },
  { file: 'v0.7-daemonset', flags: '--services --inCluster --taint', ...old, balanced: 'off', warned: ['svc_enable'] },
  {
    ...{ file: 'v0.8-pod', flags: '--enableLoadBalancer --lbPort 8443 --lbForwardingMethod masquerade' },
    ...{ ...old, balanced: 8443, warned: [] },
  },
  {
    ...{ file: 'v0.8-daemonset', flags: '--enableLoadBalancer --inCluster --taint' },
    ...{ ...old, balanced: 6443, warned: ['lb_fwdmethod'] },
  },
  {
    ...{ file: 'v0.9-pod', flags: '--services --k8sConfigPath /etc/kubernetes/super-admin.conf' },
    ...{ ...old, balanced: 'off', warned: ['svc_enable'] },
  },
  {
    ...{ file: 'v0.9-daemonset', flags: '--enableLoadBalancer --lbForwardingMethod masquerade --inCluster --taint' },
    ...{ ...old, balanced: 6443, warned: [] },
  },
  {
    ...{
      file: 'v1.0-pod',
      flags: '--vipSubnet 24 --enableLoadBalancer --k8sConfigPath /etc/kubernetes/super-admin.conf',
    },
    // The address always stands alone in its prefix.
    ...{ ...old, balanced: 6443, warned: ['lb_fwdmethod', 'vip_subnet'] },
  },
  {
    ...{ file: 'v1.0-daemonset', flags: '--services --inCluster --taint' },
    ...{ ...old, balanced: 'off', warned: ['svc_enable'] },
  },
  {
    ...{ file: 'v1.1-pod', flags: '--services --servicesElection --enableLoadBalancer' },
    ...{ ...recent, balanced: 6443, warned: ['lb_fwdmethod', 'svc_enable'] },
  },
  {
    ...{ file: 'v1.1-daemonset', flags: 'no --interface; --leaseName kube-vip-lock --inCluster --taint' },
    ...{ ...recent, lease: 'kube-vip-lock', balanced: 'off', warned: [] },
  },
  {
    ...{ file: 'v1.2-pod', flags: '--enableLoadBalancer --lbForwardingMethod masquerade' },
    ...{ ...recent, balanced: 6443, warned: [] },
  },
  {
    ...{ file: 'v1.2-daemonset', flags: '--allowInterfaceNotUp --enableLoadBalancer --inCluster --taint' },
    ...{ ...recent, balanced: 6443, warned: ['lb_fwdmethod'] },
  },
];

const collections: Readonly<Record<string, string>> = {
  Pod: 'pods',
  DaemonSet: 'daemonsets',
  ServiceAccount: 'serviceaccounts',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};

if (skip !== false) {
  test("kube-vip's manifests and the real Kubernetes API", { skip }, () => {});
} else {
  describe("kube-vip's manifests and the real Kubernetes API", () => {
    let folder = '';
    let cluster: Cluster;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'vipd-'));
      const api = { programs: programs as string };
      cluster = await createCluster({ program, clock, name: 'kvforms', folder, api, size: 3 });
      await prepareHostFiles();
      await prepareServiceAccount();
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    async function call(method: string, path: string, body?: unknown) {
      const type = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
      const answer = await cluster.client.call({
        method,
        url: `https://${cluster.nodes[0]?.host.ip}:6443${path}`,
        headers: {
          authorization: `Bearer ${cluster.api.token}`,
          accept: 'application/json',
          'content-type': type,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: JSON.parse(answer.body) };
    }

    /** As `kubectl apply --server-side` does it, which refuses fields that the schema does not have. */
    async function apply(resource: Resource, options = '') {
      const { apiVersion, kind, metadata } = resource;
      const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const namespace = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
      const path = `${group}${namespace}/${collections[kind]}/${metadata.name}`;
      const { status, body } = await call('PATCH', `${path}?fieldManager=test${options}`, resource);
      assert.ok(status < 300, `${kind}: ${JSON.stringify(body)}`);
    }

    /** A kubeconfig that is good for nothing: admin.conf on kubeadm's first node while only super-admin.conf has rights. */
    async function prepareHostFiles() {
      const text = await readFile(cluster.api.kubeconfig, 'utf8');
      await writeFile(join(folder, 'no-rights.conf'), text.replace(cluster.api.token, 'nobody-knows-it'));
    }

    async function prepareServiceAccount() {
      for (const resource of resourcesOf(await readFile(join(fixtures, 'rbac.yaml'), 'utf8'))) await apply(resource);
      const { body } = await call('POST', '/api/v1/namespaces/kube-system/serviceaccounts/kube-vip/token', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {},
      });
      const secrets = join(folder, 'secrets');
      await mkdir(secrets);
      await writeFile(join(secrets, 'token'), body.status.token);
      await writeFile(join(secrets, 'namespace'), 'kube-system');
      await writeFile(join(secrets, 'ca.crt'), await readFile(join(folder, 'kubernetes/ca.pem')));
    }

    function kubeletNode({ name, host }: ClusterNode, manifest: string): KubeletNode {
      const isEarly = manifest.includes('super-admin.conf');
      return {
        host,
        name,
        // A machine may have capitals in its name; to the cluster it has none.
        hostName: name.toUpperCase(),
        files: {
          '/etc/kubernetes/admin.conf': isEarly ? join(folder, 'no-rights.conf') : cluster.api.kubeconfig,
          '/etc/kubernetes/super-admin.conf': cluster.api.kubeconfig,
        },
        hosts: [],
        serviceAccount: join(folder, 'secrets'),
        apiServer: { host: host.ip, port: 6443 },
      };
    }

    async function leaseOf(name: string) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${name}`;
      return (await call('GET', path)).body.spec;
    }

    /** @param pods in the order of the nodes */
    async function check(form: Form, pods: readonly StartedPod[]) {
      const leader = await cluster.holder(15_000);
      const pod = pods[cluster.nodes.indexOf(leader)] as StartedPod;
      const held = (await leader.host.addresses()).find(({ ip }) => ip === vip);
      assert.deepEqual([`${held?.ip}/${held?.prefixLength}`, held?.interface], [`${vip}/32`, 'eth0']);
      const lease = await leaseOf(form.lease);
      assert.deepEqual([lease.holderIdentity, lease.leaseDurationSeconds], [leader.name, form.duration]);

      const wanted =
        form.balanced === 'off' ? [] : ['cp1 10.77.0.11:6443 up', 'cp2 10.77.0.12:6443 up', 'cp3 10.77.0.13:6443 up'];
      const { mode, ports } = await until(
        async () => {
          const balancer = (await pod.status())?.vips[0]?.loadBalancer;
          const pool = balancer?.backends.map(({ name, address, state }) => `${name} ${address} ${state}`);
          return pool?.join() === wanted.join() && balancer;
        },
        { what: `the pool ${wanted.join(', ')}` },
      );
      if (form.balanced === 'off') assert.equal(mode, 'off');
      else assert.deepEqual(ports, [form.balanced]);
      const port = form.balanced === 'off' ? 6443 : form.balanced;
      assert.deepEqual(await get(`https://${vip}:${port}/readyz`), { status: 200, body: 'ok' });
      const metrics = await get(`http://${leader.host.ip}:2112/metrics`);
      assert.match(metrics.body, new RegExp(`^kube_vip_is_leader\\{.*node="${leader.name}".*\\} 1$`, 'm'));

      for (const { log, status } of pods) {
        await until(async () => (await status())?.vips[0]?.leader === leader.name, { what: `${log}: who leads` });
        const lines = (await readFile(log, 'utf8')).trim().split('\n');
        const warnings = lines.filter((line) => /"level":"(warn|error)"/.test(line));
        const names = warnings.map((line) => /"because":"environment (\w+): /.exec(line)?.[1] ?? line);
        assert.deepEqual(names.toSorted(), form.warned, log);
      }
    }

    function get(url: string) {
      return cluster.client.call({ method: 'GET', url, headers: {} });
    }

    for (const form of forms) {
      test(`${form.file}: ${form.flags}`, async () => {
        const manifest = await readFile(join(fixtures, `${form.file}.yaml`), 'utf8');
        const [resource] = resourcesOf(manifest);
        assert.ok(resource !== undefined);
        await apply(resource, '&dryRun=All');

        const start = (node: ClusterNode) =>
          startPod(manifest, kubeletNode(node, manifest), join(folder, `${form.file}-${node.name}.log`));
        const pods = await Promise.all(cluster.nodes.map(start));
        try {
          await check(form, pods);
          for (const pod of pods) pod.signal('SIGTERM');
          for (const pod of pods) assert.equal((await pod.ended).code, 0, await readFile(pod.log, 'utf8'));
        } finally {
          for (const pod of pods) pod.signal('SIGKILL');
          await Promise.all(pods.map((pod) => pod.ended));
          await until(() => cluster.holders().length === 0, { what: 'nobody with the address' });
        }
        assert.equal((await leaseOf(form.lease)).holderIdentity, '');
      });
    }
  });
}
