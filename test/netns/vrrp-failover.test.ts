import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { startClient } from '../../src/lab/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { longestGap } from '../../src/lab/measure.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';

const vip = '10.77.0.100' as Ip;
const port = 9000;

type Start = (host: Host, folder: string, priority: number) => Promise<unknown>;

async function startVipd(host: Host, folder: string, priority: number): Promise<void> {
  const config = join(folder, `${host.name}.yaml`);
  const settings = {
    node: { name: host.name },
    vips: [
      {
        name: 'web',
        addresses: [vip],
        interface: 'eth0',
        election: { type: 'vrrp', vrrp: { priority, advertInterval: '10ms' } },
        loadBalancer: { mode: 'off' },
      },
    ],
    metrics: { listen: 'off' },
    admin: { socket: join(folder, `${host.name}.sock`) },
    log: { format: 'text' },
  };
  await writeFile(config, JSON.stringify(settings));
  await startDaemon(
    host,
    program.node,
    [program.script, 'start', '--config', config],
    join(folder, `${host.name}.log`),
  );
}

const starts: Readonly<Record<'vipd' | 'keepalived', Start>> = {
  vipd: startVipd,
  keepalived: (host, folder, priority) =>
    startKeepalived(host, folder, host.name, { version: 3, priority, advertInterval: 0.01, vips: [vip] }),
};

/** Cuts the master's cable under a client that connects every 2 ms; how long no connection was made, in milliseconds. */
async function outageOf(start: Start): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('cut', process.pid);
  try {
    const addHost = (name: string, number: number) => network.addHost(name, `10.77.0.${number}/24`);
    const [first, second, client] = await Promise.all([addHost('lb1', 11), addHost('lb2', 12), addHost('client', 50)]);
    const script = `require('net').createServer((s) => { s.on('error', () => {}); s.end() }).listen(${port})`;
    for (const host of [first, second]) host.spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const holds = async (host: Host) => (await host.addresses()).some(({ ip }) => ip === vip);
    await start(first, folder, 150);
    await until(() => holds(first), { what: 'the first to have the VIP' });
    await start(second, folder, 100);
    const order = { ip: vip, port, kind: 'connect', every: millis(2), timeout: millis(100) } as const;
    const probe = startClient(client, program).probe(order);
    const answered = () => probe.results.filter(({ outcome }) => outcome === 'ok').length;
    await until(() => answered() > 500, { what: 'answers' });
    assert.equal(await holds(second), false);
    await first.linkDown();
    await until(() => holds(second), { what: 'the second to take over' });
    const before = answered();
    await until(() => answered() > before + 200, { what: 'answers again' });
    const results = await probe.stop();
    return Math.round(longestGap(results, results[0]?.at ?? 0, results.at(-1)?.at ?? 0).length);
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

it('advertisements every 10 ms, the cable cut: no longer an outage than keepalived’s and 20 ms', async (context) => {
  const outages: Record<'vipd' | 'keepalived', number[]> = { vipd: [], keepalived: [] };
  for (let round = 0; round < 5; round++) {
    for (const who of ['keepalived', 'vipd'] as const) outages[who].push(await outageOf(starts[who]));
  }
  context.diagnostic(`outages in ms: vipd ${outages.vipd}, keepalived ${outages.keepalived}`);
  assert.ok(
    median(outages.vipd) <= median(outages.keepalived) + 20,
    `vipd ${outages.vipd}, keepalived ${outages.keepalived}`,
  );
});
