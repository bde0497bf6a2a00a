import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type AddressWatch, longestOverlap, watchAddress } from '../../src/lab/address-watch.js';
import { type Cluster, type ClusterNode, vip, vipPort } from '../../src/lab/cluster.js';
import type { Host } from '../../src/lab/network.js';
import { announcementFrame } from '../../src/ndp/announcement.js';
import type { Ip } from '../../src/net/ip.js';
import { captureNdp } from './ndp-capture.js';
import { clock, until } from './poll.js';
import { withCluster } from './with-cluster.js';

const vip6 = 'fd77::100' as Ip;

interface DualCluster extends Cluster {
  /** What happens to the IPv6 address on each node, in the order of the nodes. */
  readonly watches: readonly AddressWatch[];
}

/** Three nodes and a client, whose VIP has an address of either family. */
function withDualCluster(
  name: string,
  use: (cluster: DualCluster) => Promise<void>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  return withCluster(
    name,
    async (cluster) => {
      await Promise.all([
        addSubnet(cluster.clientHost, 'fd77::50'),
        ...cluster.nodes.map((node, i) => addSubnet(node.host, `fd77::1${i + 1}`)),
      ]);
      const watches = await Promise.all(cluster.nodes.map((node) => watchAddress(node.host, vip6, clock)));
      await use({ ...cluster, watches });
    },
    { addresses: [vip, vip6], ...settings },
  );
}

/** An address of the subnet that stays when the interface goes down, unlike those with an end. */
async function addSubnet(host: Host, ip: string): Promise<void> {
  await host.run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down']);
  await host.run('ip', ['address', 'add', `${ip}/64`, 'dev', 'eth0', 'nodad']);
}

function watchOf({ nodes, watches }: DualCluster, node: ClusterNode): AddressWatch {
  return watches[nodes.indexOf(node)] as AddressWatch;
}

/** The hardware address that the client has for the VIP, and the state of that entry. */
async function neighbour(client: Host): Promise<{ readonly mac: string | undefined; readonly state: string }> {
  const words = (await client.run('ip', ['-6', 'neigh', 'show', vip6, 'dev', 'eth0'])).trim().split(/\s+/);
  return { mac: words[words.indexOf('lladdr') + 1], state: words.at(-1) ?? '' };
}

/** The HTTP status with which the API answers at VIP:port. */
function request(client: Host, address = `[${vip6}]`): Promise<string> {
  const url = `https://${address}:${vipPort}/readyz`;
  return client.run('curl', ['-gsk', '--max-time', '5', '-o', '/dev/null', '-w', '%{http_code}', url]);
}

async function stepDown(leader: ClusterNode): Promise<void> {
  leader.vipd?.signal('SIGTERM');
  await leader.vipd?.ended;
}

test('a takeover: both addresses together, the first advertisement within 50 ms of the address, five, then every interval', () =>
  withDualCluster('burst6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const capture = await captureNdp(cluster.clientHost);
    await stepDown(leader);
    const next = await cluster.holder(5000);
    await until(() => capture.announcements(vip6, next.host).length >= 6, { what: 'six advertisements' });
    const seen = capture.announcements(vip6, next.host);
    const put6 = watchOf(cluster, next).events.find((event) => event.kind === 'put');
    const put4 = next.address.events.find((event) => event.kind === 'put');
    assert.ok(put4 && put6 && seen[0] && seen[4] && seen[5]);
    assert.ok(seen[0].at - put6.at < 50, `${seen[0].at - put6.at} ms`);
    assert.ok(Math.abs(put6.at - put4.at) < 50, `${put6.at - put4.at} ms between the families`);
    for (const { source, destination, override, linkLayerAddress } of seen) {
      assert.deepEqual([source, destination, override, linkLayerAddress], [vip6, 'ff02::1', true, next.host.mac]);
    }
    assert.ok(seen[4].at - seen[0].at < 1000);
    assert.ok(Math.abs(seen[5].at - seen[4].at - 3000) < 500);
    const probes = capture.packets.filter((packet) => packet.kind === 'solicitation' && packet.source === '::');
    assert.ok(
      probes.some((packet) => packet.target === vip6 && packet.sender === next.host.mac && packet.at <= put6.at),
    );
    assert.equal(longestOverlap(cluster.watches.map((watch) => watch.tenures(Date.now()))), 0);
  }));

test('a client that knew the old holder is corrected, and goes on with both addresses', () =>
  withDualCluster('cache6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const { clientHost } = cluster;
    assert.equal(await request(clientHost), '200');
    assert.equal((await neighbour(clientHost)).mac, leader.host.mac);
    await stepDown(leader);
    const next = await cluster.holder(5000);
    await until(async () => (await neighbour(clientHost)).mac === next.host.mac, {
      within: 1000,
      what: 'the new holder in the client’s neighbour cache, without a question',
    });
    assert.deepEqual([await request(clientHost), await request(clientHost, vip)], ['200', '200']);
  }));

test('foreign claims of the IPv6 address are counted and answered, and another host that wants it is told that it is taken', () =>
  withDualCluster('claim6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const { clientHost } = cluster;
    const capture = await captureNdp(leader.host);
    const frame = Buffer.from(announcementFrame(vip6, clientHost.mac)).toString('hex');
    const script = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
for _ in range(20): s.send(bytes.fromhex('${frame}'))`;
    await clientHost.run('python3', ['-c', script]);
    await until(() => capture.announcements(vip6, clientHost).length === 20, { what: 'the claims on the wire' });
    const lastClaim = capture.announcements(vip6, clientHost).at(-1)?.at ?? 0;
    await until(() => capture.announcements(vip6, leader.host).some((packet) => packet.at > lastClaim), {
      what: 'the holder’s answer',
    });
    const metrics = await leader.host.run('curl', ['-s', 'http://127.0.0.1:2112/metrics']);
    assert.match(metrics, /^vipd_conflicts_total\{vip="api"\} 20$/m);

    // Duplicate address detection of the client's own kernel.
    await clientHost.run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad']);
    await clientHost.run('ip', ['address', 'add', `${vip6}/64`, 'dev', 'eth0']);
    const flags = (host: Host) => host.run('ip', ['-6', 'address', 'show', 'to', vip6]);
    await until(async () => (await flags(clientHost)).includes('dadfailed'), { what: 'the client to give up' });
    assert.doesNotMatch(await flags(leader.host), /tentative|dadfailed/);
    assert.equal(await cluster.holder(1000), leader);
    assert.equal((await leader.status())?.vips[0]?.role, 'leader');
    assert.equal(watchOf(cluster, leader).tenures(Date.now()).length, 1);
  }));

test('while another host answers for the IPv6 address no node takes it; once it is free, one does', () =>
  withDualCluster('taken6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const { clientHost } = cluster;
    const stolen = [`${vip6}/128`, 'dev', 'eth0'];
    await clientHost.run('ip', ['address', 'add', ...stolen, 'nodad']);
    const capture = await captureNdp(clientHost);
    await stepDown(leader);
    const answers = () => capture.announcements(vip6, clientHost).length;
    await until(() => answers() >= 10, { what: 'ten probes answered' });
    assert.deepEqual(cluster.holders(), []);
    await clientHost.run('ip', ['address', 'delete', ...stolen]);
    const next = await cluster.holder(1000);
    await until(() => watchOf(cluster, next).held(), { within: 1000, what: 'the IPv6 address beside it' });
    assert.match(await readFile(next.logs.vipd, 'utf8'), /another host answers for the address: it is waited for/);
  }));

test('a host that goes on answering has its time, and is then told of, in the log and as a conflict', () =>
  withDualCluster('stays6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const { clientHost } = cluster;
    await clientHost.run('ip', ['address', 'add', `${vip6}/128`, 'dev', 'eth0', 'nodad']);
    await stepDown(leader);
    const next = await cluster.holder(10_000);
    const log = await readFile(next.logs.vipd, 'utf8');
    const line = log.split('\n').find((text) => text.includes('taken although another host answers for it'));
    assert.ok(line?.includes('"level":"warn"') && line.includes(`"mac":"${clientHost.mac}"`), line);
    const metrics = await next.host.run('curl', ['-sf', 'http://127.0.0.1:2112/metrics']);
    assert.match(metrics, /^vipd_conflicts_total\{vip="api"\} [1-9]/m);
  }));

test('an interface that goes down and up again loses its IPv6 addresses; the VIP comes back and is announced', () =>
  withDualCluster('flap6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const watch = watchOf(cluster, leader);
    const capture = await captureNdp(cluster.clientHost);
    assert.equal(await request(cluster.clientHost), '200');
    await leader.host.run('ip', ['link', 'set', 'eth0', 'down']);
    await until(() => watch.removedAt() !== undefined, { what: 'the kernel to drop the address' });
    await leader.host.run('ip', ['link', 'set', 'eth0', 'up']);
    const up = Date.now();
    await until(() => capture.announcements(vip6, leader.host).some((packet) => packet.at > up - 5), {
      within: 1000,
      what: 'an announcement on the link that is up again',
    });
    assert.equal(watch.held(), true);
    assert.equal(await request(cluster.clientHost), '200');
    assert.equal(await cluster.holder(1000), leader);
  }));

test('a killed leader: the kernel removes both addresses within the dead-man’s time, and another node takes both', () =>
  withDualCluster('dead6', async (cluster) => {
    const leader = await cluster.holder(5000);
    const watch = watchOf(cluster, leader);
    leader.vipd?.signal('SIGKILL');
    const { at } = (await leader.vipd?.ended) ?? { at: Number.NaN };
    const gone = await until(() => watch.removedAt(), { what: 'the IPv6 address to go' });
    assert.ok(gone - at < 3200, `${gone - at} ms`);
    await until(() => leader.address.removedAt() !== undefined, { what: 'the IPv4 address to go' });
    const next = await cluster.holder(8000);
    await until(() => watchOf(cluster, next).held(), { within: 1000, what: 'the IPv6 address there' });
    for (const watches of [cluster.watches, cluster.nodes.map((node) => node.address)]) {
      assert.equal(longestOverlap(watches.map((each) => each.tenures(Date.now()))), 0);
    }
  }));

test('what a killed daemon left is removed at the next start, in both families', () =>
  withDualCluster(
    'left6',
    async (cluster) => {
      const leader = await cluster.holder(5000);
      leader.vipd?.signal('SIGKILL');
      await leader.vipd?.ended;
      const { log } = await leader.startVipd();
      const removed = async () =>
        (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('leftover removed'));
      const lines = await until(async () => ((await removed()).length === 2 ? removed() : undefined), {
        what: 'both removals',
      });
      for (const [i, address] of [`${vip}/32`, `${vip6}/128`].entries()) {
        assert.ok(lines[i]?.includes(`"address":"${address}"`) && lines[i].includes('"because":"ours"'), lines[i]);
      }
    },
    { deadManSwitch: 'off' },
  ));
