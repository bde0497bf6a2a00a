import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { ClusterNode } from '../../src/lab/cluster.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { kubeVipPods } from '../fakes/kube-vip-pods.js';
import { until } from './poll.js';
import { program } from './program.js';
import { type PreparedCluster, prepareCluster } from './with-cluster.js';

/** vipd as a kubelet starts it from kube-vip's manifest, whose image alone is another. A pod has its own /run; here it is one. */
function startAsKubeVip(cluster: PreparedCluster, { name, host, adminSocket, logs }: ClusterNode) {
  const environment = {
    PATH: process.env.PATH,
    ...kubeVipPods['v1.2'],
    vip_nodename: name,
    k8s_config_file: cluster.api.kubeconfig,
    VIPD_ADMIN_SOCKET: adminSocket,
  };
  const variables = Object.entries(environment).map(([variable, text]) => `${variable}=${text}`);
  return startDaemon(host, 'env', ['-i', ...variables, program.node, program.script, 'manager'], logs.vipd);
}

async function leaseOf(cluster: PreparedCluster) {
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/plndr-cp-lock';
  const url = `https://${cluster.nodes[0]?.host.ip}:6443${path}`;
  const text = await cluster.clientHost.run('curl', ['-sk', '-H', `Authorization: Bearer ${cluster.api.token}`, url]);
  return JSON.parse(text).spec;
}

test("started with kube-vip's environment and arguments, vipd takes the same address, Lease and pool", async () => {
  await using cluster = await prepareCluster('kvenv');
  const daemons = await Promise.all(cluster.nodes.map((node) => startAsKubeVip(cluster, node)));
  const leader = await cluster.holder(10_000);
  assert.equal(cluster.vip, kubeVipPods['v1.2'].address);
  const lease = await leaseOf(cluster);
  assert.deepEqual([lease.holderIdentity, lease.leaseDurationSeconds], [leader.name, 15]);
  const status = await until(
    async () => {
      const now = await leader.status();
      return now?.vips[0]?.loadBalancer.backends.every((b) => b.state === 'up') && now;
    },
    { what: 'three backends up' },
  );
  assert.equal(status.node, leader.name);
  const [vip] = status.vips;
  assert.deepEqual([vip?.interface, vip?.loadBalancer.ports], ['eth0', [6443]]);
  assert.deepEqual(
    vip?.loadBalancer.backends.map(({ name, address }) => `${name} ${address}`),
    ['cp1 10.77.0.11:6443', 'cp2 10.77.0.12:6443', 'cp3 10.77.0.13:6443'],
  );
  const metrics = await cluster.clientHost.run('curl', ['-s', `http://${leader.host.ip}:2112/metrics`]);
  assert.match(metrics, new RegExp(`^kube_vip_is_leader\\{.*node="${leader.name}".*\\} 1$`, 'm'));
  const warnings = (await readFile(leader.logs.vipd, 'utf8')).split('\n').filter((line) => /kube-vip/.test(line));
  assert.equal(warnings.length, 1, warnings.join('\n'));
  assert.match(warnings[0] ?? '', /"level":"warn".*environment lb_fwdmethod: vipd shares connections among all nodes/);
  for (const daemon of daemons) daemon.signal('SIGTERM');
  for (const daemon of daemons) assert.equal((await daemon.ended).code, 0);
});
