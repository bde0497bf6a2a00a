import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host, type Network } from '../../src/lab/network.js';
import type { VipStatus } from '../../src/vip/status.js';
import { until } from './poll.js';
import { program } from './program.js';

/** Plugs the host's new interface eth1 into a second switch. */
async function plugInto(network: Network, host: Host, address: string): Promise<void> {
  const port = `${host.name}-2`;
  const veth = ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', port, 'netns', network.switch.namespace];
  await host.run('ip', veth);
  await host.run('ip', ['address', 'add', address, 'dev', 'eth1']);
  await host.run('ip', ['link', 'set', 'eth1', 'up']);
  await network.switch.run('ip', ['link', 'set', port, 'master', 'second', 'up']);
}

test('two VIPs on two interfaces, led by two nodes: a link that is cut moves only the VIP that is on it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('links', process.pid);
  try {
    const hosts = [await network.addHost('lb1', '10.77.0.11/24'), await network.addHost('lb2', '10.77.0.12/24')];
    const bridge = [
      'link',
      'add',
      'second',
      'type',
      'bridge',
      'stp_state',
      '0',
      'forward_delay',
      '0',
      'mcast_snooping',
      '0',
    ];
    await network.switch.run('ip', bridge);
    await network.switch.run('ip', ['link', 'set', 'second', 'up']);
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
