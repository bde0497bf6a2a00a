import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import type { Ip } from '../../src/net/ip.js';
import { type KeepalivedSettings, startKeepalived } from './keepalived.js';
import { until } from './poll.js';
import { program } from './program.js';
import { spokenBy } from './spoken.js';
import { type Router, withVrrpLan } from './vrrp-lan.js';

const mac = '02:00:0a:4d:00:0b';
const [a, b, c] = ['10.77.0.102' as Ip, '10.77.0.100' as Ip, '10.77.0.101' as Ip] as const;
const six = ['fd77::100' as Ip, 'fd77::9' as Ip] as const;
const second = 1;
const ipv4 = 'tos 0xc0, ttl 255, id ----, offset 0, flags [none], proto VRRP (112), length';
const ipv6 = 'class 0xc0, hlim 255, next-header VRRP (112) payload length:';

/** What both are set up by, and what tcpdump says of the first advertisement. */
const cases: readonly (readonly [string, Omit<KeepalivedSettings, 'priority'>, string])[] = [
  [
    'v2 with a password',
    { version: 2, advertInterval: second, vips: [b], authPass: '1111' },
    `${mac} > 01:00:5e:00:00:12, ethertype IPv4 (0x0800), length 54: (${ipv4} 40)
    10.77.0.11 > 224.0.0.18: VRRPv2, Advertisement, vrid 51, prio 100, authtype simple, intvl 1s, length 20, addrs: ${b} auth "1111"`,
  ],
  [
    'v2 without a password, three addresses in the order of the file',
    { version: 2, advertInterval: second, vips: [a, b, c] },
    `${mac} > 01:00:5e:00:00:12, ethertype IPv4 (0x0800), length 62: (${ipv4} 48)
    10.77.0.11 > 224.0.0.18: VRRPv2, Advertisement, vrid 51, prio 100, authtype none, intvl 1s, length 28, addrs(3): ${a},${b},${c}`,
  ],
  [
    'v2 to a peer, a password that is cut',
    {
      version: 2,
      advertInterval: second,
      vips: [b],
      authPass: 'longer-than-8',
      unicast: unicast('10.77.0.11', '10.77.0.12'),
    },
    `${mac} > 02:00:0a:4d:00:0c, ethertype IPv4 (0x0800), length 54: (${ipv4} 40)
    10.77.0.11 > 10.77.0.12: VRRPv2, Advertisement, vrid 51, prio 100, authtype simple, intvl 1s, length 20, addrs: ${b} auth "longer-t"`,
  ],
  [
    'v3 over IPv4',
    { version: 3, advertInterval: 0.3, vips: [a, b] },
    `${mac} > 01:00:5e:00:00:12, ethertype IPv4 (0x0800), length 50: (${ipv4} 36)
    10.77.0.11 > 224.0.0.18: VRRPv3, Advertisement, vrid 51, prio 100, intvl 30cs, length 16, addrs(2): ${a},${b}`,
  ],
  [
    'v3 over IPv4 to a peer',
    { version: 3, advertInterval: 0.1, vips: [b], unicast: unicast('10.77.0.11', '10.77.0.12') },
    `${mac} > 02:00:0a:4d:00:0c, ethertype IPv4 (0x0800), length 46: (${ipv4} 32)
    10.77.0.11 > 10.77.0.12: VRRPv3, Advertisement, vrid 51, prio 100, intvl 10cs, length 12, addrs: ${b}`,
  ],
  [
    'v3 over IPv6',
    { version: 3, advertInterval: 0.1, vips: six },
    `${mac} > 33:33:00:00:00:12, ethertype IPv6 (0x86dd), length 94: (${ipv6} 40) fe80::aff:fe4d:b > ff02::12: VRRPv3, Advertisement, vrid 51, prio 100, intvl 10cs, length 40, addrs(2): fd77::100,fd77::9`,
  ],
  [
    'v3 over IPv6 to a peer',
    // Left alone, keepalived takes the kernel's hop limit there, 64; RFC 9568 section 5.1.2.3 says 255.
    {
      version: 3,
      advertInterval: 0.1,
      vips: ['fd77::100' as Ip],
      unicast: unicast('fd77::11', 'fd77::12'),
      more: ['unicast_ttl 255'],
    },
    `${mac} > 02:00:0a:4d:00:0c, ethertype IPv6 (0x86dd), length 78: (${ipv6} 24) fd77::11 > fd77::12: VRRPv3, Advertisement, vrid 51, prio 100, intvl 10cs, length 24, addrs: fd77::100`,
  ],
];

function unicast(source: string, peer: string) {
  return { sources: [source as Ip], peers: [peer as Ip] };
}

/** The same for vipd. */
function vipdSettings(
  { version, advertInterval, vips, authPass = '', unicast }: (typeof cases)[number][1],
  socket: string,
) {
  const peers = unicast === undefined ? {} : { unicastSource: unicast.sources[0], unicastPeers: unicast.peers };
  const vrrp = { version, priority: 100, advertInterval: `${advertInterval * 1000}ms`, authPass, ...peers };
  const vip = { name: 'web', addresses: vips, interface: 'eth0', election: { type: 'vrrp', vrrp } };
  const rest = { metrics: { listen: 'off' }, admin: { socket } };
  return { node: { name: 'lb1' }, vips: [{ ...vip, loadBalancer: { mode: 'off' } }], ...rest };
}

describe('the bytes of vipd’s advertisements and of keepalived’s', { concurrency: 3 }, () => {
  for (const [title, settings, described] of cases) {
    it(title, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
      // The same host twice, with the same addresses: then only what the programs do can differ.
      const networks = await Promise.all([createNetwork('bytes', process.pid), createNetwork('bytes', process.pid)]);
      try {
        const hosts = await Promise.all(
          networks.map(async (network) => {
            const host = await network.addHost('lb1', '10.77.0.11/24', 'fd77::11/64');
            // A peer that can be reached, and says nothing.
            await network.addHost('lb2', '10.77.0.12/24', 'fd77::12/64');
            // Else the kernel makes up a label for keepalived's flow of packets, another one on each boot; vipd's have none.
            await host.run('sysctl', ['-qw', 'net.ipv6.auto_flowlabels=0']);
            return host;
          }),
        );
        const [one, other] = hosts as [Host, Host];
        const config = join(folder, 'vipd.yaml');
        await writeFile(config, JSON.stringify(vipdSettings(settings, join(folder, 'vipd.sock'))));
        const [theirs, ours] = await Promise.all([
          spokenBy(one, join(folder, 'theirs.pcap'), async () => {
            return (await startKeepalived(one, folder, 'keepalived', { ...settings, priority: 100 })).daemon;
          }),
          spokenBy(other, join(folder, 'ours.pcap'), () =>
            startDaemon(other, program.node, [program.script, 'start', '--config', config], join(folder, 'vipd.log')),
          ),
        ]);
        // vipd also asks to be relieved before it goes: with the lowest priority.
        const [relief, ...others] = ours.filter((text) => text.includes(' prio 1,'));
        assert.deepEqual(
          ours.filter((text) => text !== relief),
          theirs,
        );
        // One advertisement again and again, and a farewell.
        const saying = (priority: number) => `${described.replace('prio 100', `prio ${priority}`)}\n`;
        assert.deepEqual([theirs.length, others.length], [2, 0]);
        assert.ok(theirs[0]?.startsWith(saying(100)), theirs[0]);
        assert.ok(theirs[1]?.startsWith(saying(0)), theirs[1]);
        assert.ok(relief?.startsWith(saying(1)), relief);
        // tcpdump tells of each wrong checksum.
        assert.doesNotMatch(ours.join(), /bad|wrong|invalid/i);
      } finally {
        for (const network of networks) await network[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  it('v3 over IPv4 with the checksum of RFC 9568: keepalived 2.2.7 refuses it, and is heard', async () => {
    const speech = { version: 3, families: [4], interval: 100, isUnicast: false } as const;
    const settings = [
      { by: 'vipd', priority: 100, checksum: 'rfc9568' },
      { by: 'keepalived', priority: 150 },
    ] as const;
    await withVrrpLan(speech, settings, async ({ routers, isAccepted }) => {
      const [ours, theirs] = routers as [Router, Router];
      await ours.start();
      await until(() => ours.leads(), { what: 'vipd to lead' });
      await theirs.start();
      await until(() => ours.hasNone(), { what: 'vipd to yield' });
      await isAccepted(theirs);
      const complaints = await theirs.complaints();
      assert.ok(
        complaints.length > 0 && complaints.every((line) => /Invalid VRRPv3 checksum/.test(line)),
        complaints[0],
      );
      // vipd hears keepalived's form, and says that the other may not hear its own.
      const warnings = await ours.complaints();
      assert.ok(warnings.length === 1 && warnings[0]?.includes('the other form of checksum'), warnings.join('\n'));
    });
  });
});
