import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { watchAddress } from '../../src/lab/address-watch.js';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { type ClusterNode, hostAddress, vipPort } from '../../src/lab/cluster.js';
import type { Daemon } from '../../src/lab/daemon.js';
import { endpoint } from '../../src/net/ip.js';
import { clock, until } from '../netns/poll.js';
import { prepareCluster } from '../netns/with-cluster.js';
import { startExample, startScheduler } from './client-go.js';
import { expiryOf, renewedAt, watchLease } from './lease-history.js';

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS, ['kube-scheduler', 'leader-election']);

/** Why there can be no mixed cluster here. */
export const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : programs === undefined &&
      'no kube-apiserver, kube-scheduler or leader-election here: run scripts/install-apiserver.sh';

/** client-go looks every retry period (1 s) and up to 1.2 times more, by chance; beyond that, a busy machine's time. */
const clientGoPatience = 3_200;
/** vipd is told of a release, and wakes when the Lease expires. */
const vipdPatience = 1_000;

export async function end(daemon: Daemon | undefined, signal: NodeJS.Signals): Promise<void> {
  daemon?.signal(signal);
  await daemon?.ended;
}

export type MixedCluster = Awaited<ReturnType<typeof createMixedCluster>>;

/** Two nodes for vipd with a real API server each, and a third for client-go, which asks the API server of the first. Nothing runs yet. */
export async function createMixedCluster(name: string) {
  if (programs === undefined) throw new Error('there is no kube-scheduler');
  const cluster = await prepareCluster(name, { api: { programs }, size: 2 });
  const { folder, nodes, api, clientHost, vip } = cluster;
  const [a, b] = nodes as [ClusterNode, ClusterNode];
  const server = `https://${a.host.ip}:${vipPort}`;
  const clientGo = { programs, folder, kubeconfig: join(folder, 'client-go.kubeconfig') };
  const text = await readFile(api.kubeconfig, 'utf8');
  await writeFile(clientGo.kubeconfig, text.replace(`https://${endpoint(vip, vipPort)}`, server), { mode: 0o600 });
  const third = await cluster.network.addHost('cp3', hostAddress(13, 4));
  const thirdAddress = await watchAddress(third, vip, clock);
  const history = await watchLease(clientHost, server, api.token);
  const schedulers = new Map<string, Daemon>();

  const isVipd = (holder: string) => cluster.nodes.some(({ name }) => name === holder);
  const isClientGo = (holder: string) => holder !== '' && !isVipd(holder);
  const withAddress = () => cluster.holders().map(({ name }) => name);
  const node = (name: string) => cluster.nodes.find((each) => each.name === name) ?? assert.fail(`no node ${name}`);
  const leader = () => node(history.holder());
  const leadingScheduler = () =>
    schedulers.get(history.holder().replace(/_.*/, '')) ?? assert.fail(`${history.holder()} leads`);
  const other = (one: ClusterNode) => (one === a ? b : a);

  async function startSchedulers(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (schedulers.get(name)?.running() === true) continue;
      schedulers.set(name, await startScheduler(third, clientGo, name));
    }
  }

  /** Starts vipd where it does not run, and waits until it knows who leads. */
  async function startVipds(...nodes: readonly ClusterNode[]): Promise<void> {
    await Promise.all(nodes.map((each) => each.vipd?.running() || each.startVipd()));
    const knows = async (each: ClusterNode) => (await each.status())?.vips[0]?.leader === history.holder();
    for (const each of nodes) await until(() => knows(each), { what: `vipd on ${each.name} to know the leader` });
  }

  /** What kube-vip does when it leads, and is done with when it stops, or starts again. */
  const setThirdAddress = (command: 'add' | 'delete') =>
    third.run('ip', ['address', command, `${cluster.vip}/32`, 'dev', 'eth0']);

  /**
   * Does something to the holder, and waits until another takes the Lease, and a vipd its address too; returns the new holder.
   * @param within how long that may take after the deed, or after the Lease has expired
   */
  async function taken(
    t: TestContext,
    { by, after, within }: { by: (holder: string) => boolean; after: 'deed' | 'expiry'; within: number },
    deed: () => unknown,
  ): Promise<string> {
    const was = history.holder();
    const { length } = history.records;
    const done = Date.now();
    await deed();
    const isNext = (holder: string) => holder !== was && by(holder);
    const record = await until(() => history.records.slice(length).find((each) => isNext(each.holderIdentity)), {
      within: 20_000,
      what: `another holder than ${was || 'nobody'}`,
    });
    const before = history.records[history.records.indexOf(record) - 1];
    const since = after === 'deed' || before === undefined ? done : expiryOf(before);
    const holder = record.holderIdentity;
    const took = renewedAt(record) - since;
    let figure = `${was || 'nobody'} to ${holder}, after ${after}: ${Math.round(took)} ms`;
    if (isVipd(holder)) {
      await until(() => withAddress().join() === holder, { what: `the address on ${holder}` });
      figure += `, its address ${Math.round(putAt(holder) - since)} ms`;
    } else {
      assert.deepEqual(withAddress(), []);
    }
    t.diagnostic(figure);
    assert.ok(took <= within, figure);
    return holder;
  }

  /** How long the address was on no node when the third one gave it up. */
  const tellHandOver = (t: TestContext) => {
    const took = putAt(history.holder()) - (thirdAddress.removedAt() ?? Number.NaN);
    t.diagnostic(`address gone there to address here: ${Math.round(took)} ms`);
  };
  const putAt = (name: string) => node(name).address.events.findLast(({ kind }) => kind === 'put')?.at ?? Number.NaN;

  /** Brings it about that client-go leads, and both vipds are followers. Returns the one scheduler that runs then. */
  async function giveToClientGo(t: TestContext): Promise<Daemon> {
    if (isVipd(history.holder())) {
      await startSchedulers('kv1');
      await handToClientGo(t, clientGoPatience);
    }
    const leading = leadingScheduler();
    await Promise.all([...schedulers.values()].map((each) => each === leading || end(each, 'SIGKILL')));
    await startVipds(a, b);
    // From the record that it finds at its start a vipd counts from then: the next one is seen when it is written.
    const { length } = history.records;
    await until(() => history.records.length > length, { what: 'a renewal' });
    assert.deepEqual(withAddress(), []);
    return leading;
  }

  /** The vipd that leads stops in order, and there is no other. */
  async function handToClientGo(t: TestContext, within: number): Promise<void> {
    await end(other(leader()).vipd, 'SIGTERM');
    await taken(t, { by: isClientGo, after: 'deed', within }, () => end(leader().vipd, 'SIGTERM'));
  }

  return {
    cluster,
    history,
    third,
    thirdAddress,
    a,
    b,
    isVipd,
    isClientGo,
    withAddress,
    leader,
    leadingScheduler,
    other,
    startSchedulers,
    endSchedulers: () => Promise.all([...schedulers.values()].map((each) => end(each, 'SIGKILL'))),
    startExample: (id: string) => startExample(third, clientGo, id),
    startVipds,
    setThirdAddress,
    taken,
    tellHandOver,
    giveToClientGo,
    handToClientGo,
    /** For `taken`, when the last holder's Lease expires. */
    toVipd: { by: isVipd, after: 'expiry', within: vipdPatience } as const,
    toClientGo: { by: isClientGo, after: 'expiry', within: clientGoPatience } as const,
    toAnybody: { by: (holder: string) => holder !== '', after: 'expiry', within: clientGoPatience } as const,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
