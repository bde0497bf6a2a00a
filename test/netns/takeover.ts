import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type ClusterNode, vipPort } from '../../src/lab/cluster.js';
import { endpoint, type Family } from '../../src/net/ip.js';
import { type HostState, readHostState } from './host-state.js';
import { until } from './poll.js';
import { type Sent, traceSends } from './traced-sends.js';
import { type PreparedCluster, prepareCluster, startVipds } from './with-cluster.js';

export interface TakeoverOptions {
  readonly mode: string;
  readonly family: Family;
  readonly patience: number;
  /** How often a host's state is looked at; a look takes an emulated processor a second. */
  readonly every?: number;
  readonly healthCheck?: Readonly<Record<string, unknown>>;
  /** More of the VIP's settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What a leader in each mode has on its host beside the address. */
const programmed: Readonly<Record<string, (state: HostState, service: string) => boolean>> = {
  proxy: ({ tables }) => tables.some((table) => table.endsWith(' vipd')),
  nftables: ({ tables, settings }) => tables.some((table) => table.endsWith(' vipd-balancing')) && forwards(settings),
  ipvs: ({ tables, services, settings }, service) =>
    tables.some((table) => table.endsWith(' vipd-ipvs')) &&
    services.filter((line) => line.startsWith(`-a -t ${service} `)).length === 3 &&
    settings.includes('net.ipv4.vs.conntrack = 1') &&
    forwards(settings),
};

/** What a leader tells the kernel beside the address. */
const toldKernel: Readonly<Record<string, readonly Sent[]>> = {
  proxy: ['nftables'],
  nftables: ['nftables'],
  ipvs: ['ipvs', 'nftables'],
};
/** Announcements at once; IPv4 has each in two forms. */
const burst = 5;

function forwards(settings: readonly string[]): boolean {
  return settings.some((line) => line.endsWith('forward = 1') || line.endsWith('all.forwarding = 1'));
}

/** Whole daemons: what a leader makes of its host is there when it leads, and gone when it does not lead any more. */
export function describeTakeover(options: TakeoverOptions): void {
  const { mode, family, patience, every = 20 } = options;
  const isProgrammed = programmed[mode] ?? (() => assert.fail(`nobody said what ${mode} needs`));

  async function inCluster(
    name: string,
    use: (parts: {
      cluster: PreparedCluster;
      leader: ClusterNode;
      untouched: ReadonlyMap<ClusterNode, HostState>;
      leads: (node: ClusterNode) => Promise<boolean>;
      isUntouched: (node: ClusterNode) => Promise<void>;
    }) => Promise<void>,
  ): Promise<void> {
    const settings = {
      loadBalancer: { mode, ports: [vipPort], healthCheck: options.healthCheck },
      ...options.settings,
    };
    await using cluster = await prepareCluster(`${name}-${mode}${family}`, { families: [family], settings });
    const states = cluster.nodes.map(async (node) => [node, await readHostState(node.host)] as const);
    const untouched = new Map(await Promise.all(states));
    const leads = async (node: ClusterNode) =>
      node.address.held() && isProgrammed(await readHostState(node.host), endpoint(cluster.vip, vipPort));
    const isUntouched = async (node: ClusterNode) => {
      let now: HostState | undefined;
      const same = async () => {
        now = await readHostState(node.host);
        return isDeepStrictEqual(now, untouched.get(node));
      };
      // The difference is what is to be read when it stays.
      await until(same, { within: patience, every, what: node.name }).catch(async () => {
        console.log(await readFile(node.logs.vipd, 'utf8'));
        assert.deepEqual(now, untouched.get(node));
      });
    };
    const leader = await startVipds(cluster, patience);
    await until(() => leads(leader), { within: patience, every, what: `${leader.name} leads with all that it needs` });
    await use({ cluster, leader, untouched, leads, isUntouched });
  }

  describe(`${mode}, IPv${family}`, { concurrency: 1 }, () => {
    test('told to stop: the host is as it was before vipd came, and the next leader has everything', () =>
      inCluster('over', async ({ cluster, leader, leads, isUntouched }) => {
        for (const node of cluster.nodes) if (node !== leader) await isUntouched(node);
        leader.vipd?.signal('SIGTERM');
        assert.equal((await leader.vipd?.ended)?.code, 0);
        await isUntouched(leader);
        const next = await cluster.holder(patience);
        await until(() => leads(next), { within: patience, every, what: `${next.name} leads with all that it needs` });
      }));

    test('a new leader tells the kernel everything before its first announcement, nothing after it', () =>
      inCluster('order', async ({ cluster, leader }) => {
        const [next, third] = cluster.nodes.filter((node) => node !== leader) as [ClusterNode, ClusterNode];
        third.vipd?.signal('SIGTERM');
        await third.vipd?.ended;
        const trace = await traceSends(cluster.network.switch, next.vipd?.pid ?? Number.NaN, patience);
        leader.vipd?.signal('SIGTERM');
        // From the address on: the probes before it ask whether another host has it.
        const since = () => trace.sent.slice(trace.sent.indexOf('address'));
        await until(() => trace.sent.includes('address') && count(since(), 'announcement') >= burst, {
          within: patience,
          what: `the announcements of ${next.name}`,
        }).catch((error) => assert.fail(`${error}: ${trace.sent.join(' ')}`));
        const first = since().indexOf('announcement');
        const changes = (sent: readonly Sent[]) => [
          ...new Set(sent.filter((kind) => kind === 'ipvs' || kind === 'nftables')),
        ];
        assert.deepEqual(changes(since().slice(0, first)).sort(), toldKernel[mode], since().join(' '));
        assert.deepEqual(changes(since().slice(first)), [], since().join(' '));
        trace.stop();
      }));

    test('followed while it was stopped: awake again, it takes everything back', () =>
      inCluster('wake', async ({ cluster, leader, leads, isUntouched }) => {
        leader.vipd?.signal('SIGSTOP');
        const next = await until(() => cluster.holders().find((node) => node !== leader), {
          within: patience,
          what: 'another leader',
        });
        leader.vipd?.signal('SIGCONT');
        await isUntouched(leader);
        assert.ok(await leads(next));
      }));

    test('killed: what it left behind, its next life removes before it takes part again', () =>
      inCluster('left', async ({ cluster, leader, leads, isUntouched, untouched }) => {
        leader.vipd?.signal('SIGKILL');
        await leader.vipd?.ended;
        const next = await until(() => cluster.holders().find((node) => node !== leader), {
          within: patience,
          what: 'another leader',
        });
        await until(() => leads(next), { within: patience, every, what: `${next.name} leads with all that it needs` });
        // Tables go with the process that owned them; services and settings stay.
        const left = await readHostState(leader.host);
        assert.equal(isDeepStrictEqual(left, untouched.get(leader)), mode === 'proxy');
        await leader.startVipd();
        await until(async () => (await leader.status())?.vips[0]?.role === 'follower', {
          within: patience,
          what: `${leader.name} follows`,
        });
        await isUntouched(leader);
        const log = (await readFile(leader.logs.vipd, 'utf8')).trim().split('\n');
        const removed = log.filter((line) => line.includes('leftover'));
        if (mode === 'ipvs') assert.ok(removed.some((line) => line.includes(endpoint(cluster.vip, vipPort))));
        if (mode !== 'proxy')
          assert.ok(
            removed.some((line) => line.includes('kernel setting')),
            removed.join('\n'),
          );
      }));
  });
}

function count(sent: readonly Sent[], kind: Sent): number {
  return sent.filter((one) => one === kind).length;
}
