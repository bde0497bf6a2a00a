import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host, type Network } from '../../src/lab/network.js';
import type { VipStatus } from '../../src/vip/status.js';
import { until } from './poll.js';
import { program } from './program.js';
import { prepareCluster } from './with-cluster.js';

/** A second switch, in the namespace of the first. */
async function addSwitch(network: Network): Promise<void> {
  const kind = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0'];
  await network.switch.run('ip', ['link', 'add', 'second', ...kind]);
  await network.switch.run('ip', ['link', 'set', 'second', 'up']);
}

/** Plugs the host's new interface eth1 into the second switch. */
async function plugInto(network: Network, host: Host, address: string): Promise<void> {
  const port = `${host.name}-2`;
  const veth = ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', port, 'netns', network.switch.namespace];
  await host.run('ip', veth);
  await host.run('ip', ['address', 'add', address, 'dev', 'eth1']);
  await host.run('ip', ['link', 'set', 'eth1', 'up']);
  await network.switch.run('ip', ['link', 'set', port, 'master', 'second', 'up']);
}

test('two VIPs on two interfaces, elected by VRRP, led by two nodes: a link that is cut moves only the VIP that is on it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('links', process.pid);
  try {
    const hosts = [await network.addHost('lb1', '10.77.0.11/24'), await network.addHost('lb2', '10.77.0.12/24')];
    await addSwitch(network);
    for (const [i, host] of hosts.entries()) {
      await plugInto(network, host, `10.79.0.1${i + 1}/24`);
      const vrrp = (virtualRouterId: number, priority: number) => ({
        type: 'vrrp',
        vrrp: { virtualRouterId, priority, advertInterval: '100ms' },
      });
      const off = { mode: 'off' };
      const vips = [
        { name: 'inside', addresses: ['10.77.0.100'], election: vrrp(51, i === 0 ? 110 : 100), loadBalancer: off },
        {
          ...{ name: 'outside', addresses: ['10.79.0.100'], interface: '/^eth/', loadBalancer: off },
          election: vrrp(52, i === 0 ? 100 : 110),
        },
      ];
      const rest = { metrics: { listen: 'off' }, admin: { socket: join(folder, `${host.name}.sock`) } };
      const config = join(folder, `${host.name}.yaml`);
      await writeFile(config, JSON.stringify({ node: { name: host.name }, vips, ...rest }));
      const args = [program.script, 'start', '--config', config];
      await startDaemon(host, program.node, args, join(folder, `${host.name}.log`));
    }

    /** Of each host in order, its two VIPs. */
    async function statuses(): Promise<readonly (readonly VipStatus[])[]> {
      const answers = await Promise.all(hosts.map(({ name }) => askStatus(join(folder, `${name}.sock`))));
      return answers.map((answer) => (answer.ok ? answer.status.vips : []));
    }
    const held = async () => (await statuses()).map((vips) => vips.map((vip) => (vip.held ? vip.interface : '-')));
    const areHeld = (wanted: readonly (readonly string[])[], what: string) =>
      until(async () => JSON.stringify(await held()) === JSON.stringify(wanted), { what });

    await areHeld(
      [
        ['eth0', '-'],
        ['-', 'eth1'],
      ],
      'each VIP on its own node and interface',
    );
    const before = await statuses();
    await network.switch.run('ip', ['link', 'set', 'lb2-2', 'down']);
    await areHeld(
      [
        ['eth0', 'eth1'],
        ['-', '-'],
      ],
      'the VIP of the cut link on the other node',
    );
    const after = await statuses();
    assert.deepEqual(
      after.map(([inside]) => [inside?.role, inside?.since]),
      before.map(([inside]) => [inside?.role, inside?.since]),
    );
    assert.equal(after[1]?.[1]?.role, 'fault');
    await network.switch.run('ip', ['link', 'set', 'lb2-2', 'up']);
    await areHeld(
      [
        ['eth0', '-'],
        ['-', 'eth1'],
      ],
      'each VIP back on its own node',
    );
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});

test('two VIPs on two interfaces, each with a Lease, led by two nodes: a link that is cut moves only the VIP that is on it', async () => {
  const outside = {
    ...{ name: 'outside', addresses: ['10.79.0.100'], interface: '/^eth/', loadBalancer: { mode: 'off' } },
    election: { type: 'lease', lease: { name: 'outside' } },
  };
  await using cluster = await prepareCluster('leases', { size: 2 });
  await addSwitch(cluster.network);
  for (const [i, { host, configFile }] of cluster.nodes.entries()) {
    await plugInto(cluster.network, host, `10.79.0.1${i + 1}/24`);
    const config = JSON.parse(await readFile(configFile, 'utf8'));
    await writeFile(configFile, JSON.stringify({ ...config, vips: [...config.vips, outside] }));
  }
  const seen = async () =>
    Promise.all(
      cluster.nodes.map(async (node) => (await node.status())?.vips.map((vip) => (vip.held ? vip.interface : '-'))),
    );
  const areHeld = (wanted: readonly (readonly string[])[], what: string) =>
    until(async () => JSON.stringify(await seen()) === JSON.stringify(wanted), { what });
  const inside = async () =>
    (await Promise.all(cluster.nodes.map((node) => node.status()))).map((status) => {
      const [vip] = status?.vips ?? [];
      return [vip?.role, vip?.since];
    });
  const cut = (port: string) => cluster.network.switch.run('ip', ['link', 'set', port, 'down']);
  const mend = (port: string) => cluster.network.switch.run('ip', ['link', 'set', port, 'up']);
  const [one, two] = [
    ['eth0', '-'],
    ['-', 'eth1'],
  ];

  await cluster.nodes[0]?.startVipd();
  await until(async () => (await cluster.nodes[0]?.status())?.vips.every((vip) => vip.held), { what: 'both VIPs' });
  await cluster.nodes[1]?.startVipd();
  await until(async () => (await cluster.nodes[1]?.status())?.vips[1]?.role === 'follower', { what: 'a follower' });
  const before = await inside();
  await cut('cp1-2');
  await areHeld([one, two], 'the VIP of the cut link on the other node');
  await mend('cp1-2');
  await until(async () => (await cluster.nodes[0]?.status())?.vips[1]?.role === 'follower', {
    what: 'a follower again',
  });
  await areHeld([one, two], 'the VIP where it is');
  await cut('cp2-2');
  await areHeld(
    [
      ['eth0', 'eth1'],
      ['-', '-'],
    ],
    'the VIP of the other link that is cut',
  );
  assert.deepEqual(await inside(), before);
});
