import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { longestOverlap } from '../../src/lab/address-watch.js';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { until } from '../netns/poll.js';
import { createKubeadmNodes, type KubeadmNode, nodeJson, peerUrl } from './kubeadm.js';

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS, ['etcdctl', 'kubectl']);
const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : programs === undefined && 'no kube-apiserver, etcdctl or kubectl here: run scripts/install-apiserver.sh';
const what = 'kubeadm init and two joins: the VIP is there before etcd, moves when a node dies, and is never on two';

test(what, { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-kubeadm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using cluster = await createKubeadmNodes({ programs: programs as string, folder });
  const { nodes } = cluster;
  const [cp1, cp2, cp3] = nodes;
  const holders = () => nodes.filter(({ address }) => address.held()).map(({ name }) => name);
  let began = Date.now();
  const tell = (figure: string) => {
    t.diagnostic(`${figure}: ${Date.now() - began} ms`);
    began = Date.now();
  };

  // kubeadm init: the kubelet starts the static Pods, vipd first.
  await Promise.all([cp1.writeConf('admin.conf'), cp1.writeConf('super-admin.conf')]);
  await cp1.startVipd();
  await until(() => cp1.address.held(), { within: 30_000, what: 'the VIP before there is an API' });
  assert.equal((await cp1.status())?.because, 'provisional');
  tell('vipd started to VIP, without an API');
  await cp1.startEtcd([memberOf(cp1)], 'new');
  await cp1.startApiServer();
  await until(async () => (await cp1.status())?.because.startsWith('acquired'), { within: 60_000, what: 'the Lease' });
  tell('etcd and kube-apiserver started to Lease');
  assert.deepEqual(await routesOf(cp1), ['super-admin.conf']);
  assert.deepEqual(holders(), ['cp1']);

  // admin.conf has no rights before kubeadm gives it some, through the VIP.
  await assert.rejects(cp1.kubectl('admin.conf', ['get', '--raw', '/api/v1/nodes']), /[Ff]orbidden/);
  const binding = ['kubeadm:cluster-admins', '--clusterrole=cluster-admin', '--group=kubeadm:cluster-admins'];
  await cp1.kubectl('super-admin.conf', ['create', 'clusterrolebinding', ...binding]);
  await register(cp1, 'super-admin.conf');
  await label(cp1);
  await until(async () => (await poolOf(cp1)) === 'cp1', { within: 20_000, what: 'the first node in the pool' });
  tell('binding, Node and label through the VIP');

  for (const [i, joiner] of [cp2, cp3].entries()) {
    await joiner.writeConf('admin.conf');
    await joiner.startVipd();
    await register(joiner, 'admin.conf');
    await cp1.etcdctl('member', 'add', joiner.name, '--learner', `--peer-urls=${peerUrl(joiner.host)}`);
    const members = nodes.slice(0, i + 2);
    await joiner.startEtcd(members.map(memberOf), 'existing');
    await joiner.startApiServer();
    // Longer than vipd listens before it takes the VIP where there is no API.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    // A learner answers no reads, and so its API server has nothing to say.
    const status = await joiner.status();
    assert.deepEqual([status?.role, status?.because], ['follower', 'waiting-for-api']);
    assert.ok(joiner.vipd?.running());
    assert.equal(joiner.address.events.length, 0);
    assert.deepEqual(holders(), ['cp1']);
    t.diagnostic(`${joiner.name}, a learner: ${(await refusalsOf(joiner)).join('; ')}`);
    t.diagnostic(`${joiner.name}: kube-apiserver started ${joiner.apiServerStarts()} times`);

    const learner = await learnerOf(cp1);
    await until(() => cp1.etcdctl('member', 'promote', learner), { within: 20_000, what: 'the promotion' });
    began = Date.now();
    const follows = async () => (await joiner.status())?.leader === 'cp1';
    await until(follows, { within: 60_000, what: `${joiner.name} to follow` });
    tell(`${joiner.name} promoted to follower`);
    assert.equal((await joiner.status())?.role, 'follower');
    await label(joiner);
    const wanted = members.map(({ name }) => name).join(' ');
    const isInPools = async () => (await Promise.all(members.map(poolOf))).every((pool) => pool === wanted);
    await until(isInPools, { within: 30_000, what: `${joiner.name} in every pool` });
    tell(`${joiner.name} labelled to in every pool`);
  }

  // Each minute vipd tries admin.conf again.
  const namesOf = () => routesOf(cp1);
  await until(async () => (await namesOf()).length > 1, { within: 70_000, what: 'admin.conf to be used' });
  assert.deepEqual(await namesOf(), ['super-admin.conf', 'admin.conf']);
  assert.deepEqual(holders(), ['cp1']);

  const killed = await cp1.kill();
  const next = await until(() => [cp2, cp3].find(({ address }) => address.held()), {
    within: 30_000,
    what: 'the VIP on another node',
  });
  const moved = next.address.events.find(({ kind }) => kind === 'put')?.at ?? Number.NaN;
  t.diagnostic(`cp1 without power to VIP on ${next.name}: ${Math.round(moved - killed)} ms`);
  const other = next === cp2 ? cp3 : cp2;
  for (const node of [next, other]) {
    const names = await until(() => node.kubectl('admin.conf', ['get', 'nodes', '-o', 'name']), {
      what: `an answer through the VIP to ${node.name}`,
    });
    assert.equal(names.trim().split('\n').length, 3);
  }
  assert.deepEqual(holders(), [next.name]);
  const now = Date.now();
  assert.equal(longestOverlap(nodes.map(({ address }) => address.tenures(now))), 0);
});

function memberOf({ name, host }: KubeadmNode): string {
  return `${name}=${peerUrl(host)}`;
}

/** What the kubelet does. RBAC's own roles come a moment after the API is ready, and it tries again too. */
function register(node: KubeadmNode, conf: 'admin.conf' | 'super-admin.conf') {
  return until(() => node.kubectl(conf, ['create', '-f', '-'], nodeJson(node)), { what: `the Node ${node.name}` });
}

/** What kubeadm does last. */
function label(node: KubeadmNode) {
  const args = ['label', 'node', node.name, 'node-role.kubernetes.io/control-plane='];
  return until(() => node.kubectl('admin.conf', args), { what: `the label of ${node.name}` });
}

/** The backends of the node's vipd that are up. */
async function poolOf(node: KubeadmNode): Promise<string> {
  const backends = (await node.status())?.loadBalancer.backends ?? [];
  return backends.flatMap(({ name, state }) => (state === 'up' ? [name] : [])).join(' ');
}

interface LogLine {
  readonly msg: string;
  readonly as?: string;
  readonly because?: string;
  readonly detail?: string;
}

/** In whose name the node's vipd asked the API, in that order. */
async function routesOf(node: KubeadmNode): Promise<readonly string[]> {
  const lines = (await logOf(node)).filter(({ msg }) => msg === 'the API is asked at');
  return lines.map(({ as = '' }) => basename(as));
}

/** Why the API did not do what the node's vipd asked, each reason once. */
async function refusalsOf(node: KubeadmNode): Promise<readonly string[]> {
  const lines = (await logOf(node)).filter(({ msg }) => msg === 'lease request refused');
  return [...new Set(lines.map(({ because, detail }) => `${because}: ${detail}`))];
}

async function logOf({ vipdLog }: KubeadmNode): Promise<readonly LogLine[]> {
  const lines = (await readFile(vipdLog, 'utf8')).split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

/** The id by which etcdctl calls the learner. */
async function learnerOf(node: KubeadmNode): Promise<string> {
  // ID, status, name, peer URLs, client URLs, whether it is a learner.
  const rows = (await node.etcdctl('member', 'list')).split('\n').map((row) => row.split(', '));
  const learner = rows.find((row) => row.at(-1) === 'true')?.[0];
  if (learner === undefined) throw new Error('etcd has no learner');
  return learner;
}
