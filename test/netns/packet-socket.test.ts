import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createPacketSockets } from '../../src/kernel/linux/packet-socket.js';
import type { PacketProtocol } from '../../src/kernel/ports.js';
import { probeFrame } from '../../src/ndp/announcement.js';
import type { Ip } from '../../src/net/ip.js';
import { solicitedNodeGroup } from '../../src/net/ipv6.js';
import type { Mac } from '../../src/net/mac.js';
import { carried, frameWith, type LanHost, listen, markOf, packetSocketsContract } from '../contract/packet-sockets.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { until } from './poll.js';

const sockets = createPacketSockets(loadAddon());
let pairs = 0;

/** A veth pair, both ends up and free of the kernel's own chatter. */
function veth(): readonly [string, string] {
  const [name, peer] = [`left${pairs}`, `right${pairs}`] as const;
  pairs++;
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer);
  for (const link of [name, peer]) {
    run('sysctl', '-qw', `net.ipv6.conf.${link}.disable_ipv6=1`);
    run('ip', 'link', 'set', link, 'up');
  }
  return [name, peer];
}

function host(name: string, protocol: PacketProtocol = 'arp'): LanHost {
  return {
    protocol,
    sockets,
    link: Number.parseInt(run('ip', '-o', 'link', 'show', name), 10),
    setUp: (up) => run('ip', 'link', 'set', name, up ? 'up' : 'down'),
    remove: () => run('ip', 'link', 'del', name),
  };
}

/** Sends frames of a foreign EtherType and ARP frames in turn, as fast as it can, until it is killed. */
const flooder = `
  const addon = require(process.argv[1]);
  const socket = addon.packetOpen(Number(process.argv[2]), 0x0806, [], () => {}, () => {});
  const frame = (type) => Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i === 12 ? type >> 8 : i === 13 ? type & 255 : 2));
  const frames = [0x0800, 0x86dd, 0x0806, 0x88b5].map(frame);
  const flood = () => {
    for (let i = 0; i < 4000; i++) try { addon.packetSend(socket, frames[i % 4]); } catch {}
    setImmediate(flood);
  };
  flood();
  console.log('flooding');`;

inOwnNamespace(fileURLToPath(import.meta.url), () => {
  run('ip', 'link', 'add', 'lan', 'type', 'bridge', 'mcast_snooping', '0', 'stp_state', '0');
  run('sysctl', '-qw', 'net.ipv6.conf.lan.disable_ipv6=1');
  run('ip', 'link', 'set', 'lan', 'up');
  for (const protocol of ['arp', 'ndp'] as const) {
    packetSocketsContract('AF_PACKET', protocol, () => {
      const [name, port] = veth();
      run('ip', 'link', 'set', port, 'master', 'lan');
      return host(name, protocol);
    });
  }

  describe('AF_PACKET', () => {
    it('delivers frames of hostile lengths cut at 2048 bytes', async () => {
      const [a, b] = veth();
      for (const link of [a, b]) run('ip', 'link', 'set', link, 'mtu', '9000');
      using receiver = listen(host(a));
      using sender = listen(host(b));
      for (const length of [15, 17, 41, 2047, 2048, 2049, 9014]) sender.send(frameWith('arp', 1, { length }));
      sender.send(frameWith('arp', 2));
      await receiver.heard(2);
      assert.deepEqual(
        receiver.frames.map((frame) => frame.length),
        [15, 17, 41, 2047, 2048, 2048, 2048, 60],
      );
    });

    it('never delivers anything but ARP, opened again and again in the midst of a flood; timers keep running', async () => {
      const [a, b] = veth();
      const [target, source] = [host(a), host(b)];
      const addon = new URL('../../../native/build/vipd.node', import.meta.url).pathname;
      const child = spawn(process.execPath, ['-e', flooder, addon, String(source.link)]);
      try {
        await once(child.stdout, 'data');
        let frames = 0;
        let turns = 0;
        for (let round = 0; round < 100; round++) {
          using socket = listen(target);
          for (let turn = 0; turn < 50 && socket.frames.length === 0; turn++) {
            await new Promise<void>((resolve) => setTimeout(resolve, 1));
            turns++;
          }
          frames += socket.frames.length;
          assert.ok(socket.frames.every((frame) => frame.length === 60 && frame[12] === 0x08 && frame[13] === 0x06));
        }
        assert.ok(frames > 100, `${frames} ARP frames in ${turns} turns of the event loop`);
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    });

    it('keeps the interface in its groups while it is open', () => {
      const [name] = veth();
      const [one, other] = ['ff02::1:ff00:100', 'ff02::1:ff00:200'] as Ip[] as [Ip, Ip];
      const groups = () => run('ip', '-6', 'maddress', 'show', 'dev', name);
      const before = groups();
      {
        using _first = listen(host(name, 'ndp'), [one, other, one]);
        using _second = listen(host(name, 'ndp'), [one]);
        for (const group of [one, other]) assert.match(groups(), new RegExp(`inet6 ${group}\\b`));
      }
      assert.equal(groups(), before);
      for (const link of [0, -1, 999_999]) {
        assert.throws(
          () => listen({ ...host(name, 'ndp'), link }, [one]),
          (error) => error instanceof KernelError && error.code === 'ENODEV',
        );
      }
    });

    it('hears its groups across a switch that snoops MLD, which carries them to nobody else', async () => {
      const [target, mac] = ['2001:db8::100' as Ip, '02:00:00:00:00:09' as Mac];
      run('ip', 'link', 'add', 'snooping', 'type', 'bridge', 'stp_state', '0', 'mcast_query_response_interval', '10');
      // Its own queries are what makes the switch believe what it has snooped, after the response interval: 10 hundredths.
      run('ip', 'link', 'set', 'snooping', 'type', 'bridge', 'mcast_querier', '1');
      run('ip', 'link', 'set', 'snooping', 'up');
      run('ip', 'address', 'add', 'fe80::99/64', 'dev', 'snooping', 'nodad');
      const [asking, member, stranger] = ['asking', 'member', 'stranger'].map((name) => {
        run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-port`);
        run('ip', 'link', 'set', `${name}-port`, 'master', 'snooping');
        for (const link of [name, `${name}-port`]) run('ip', 'link', 'set', link, 'up');
        return host(name, 'ndp');
      }) as [LanHost, LanHost, LanHost];
      using asks = listen(asking);
      using joined = listen(member, [solicitedNodeGroup(target)]);
      using apart = listen(stranger);
      let last = 0;
      await until(
        () => {
          const frame = probeFrame(target, mac);
          last++;
          frame.set([last >> 8, last & 0xff], 16);
          asks.send(frame);
          const recent = (receiver: { frames: readonly Uint8Array[] }) =>
            receiver.frames.filter((received) => markOf(received) > last - 20 && markOf(received) < last).length;
          return last > 20 && recent(joined) >= 18 && recent(apart) === 0;
        },
        { every: 10, what: 'the member alone to be asked' },
      );
    });

    it('does not take ARP of a foreign VLAN for its own', async () => {
      const [a, b] = veth();
      using receiver = listen(host(a));
      using sender = listen(host(b));
      // As the wire has it; the receiving kernel takes the tag off before sockets see the frame (IEEE 802.1Q, VLAN 7).
      const tagged = Uint8Array.from([
        ...frameWith('arp', 1).subarray(0, 12),
        0x81,
        0x00,
        0x00,
        0x07,
        ...frameWith('arp', 1).subarray(12),
      ]);
      sender.send(tagged);
      sender.send(frameWith('arp', 2));
      await receiver.heard(2);
      assert.deepEqual(receiver.frames.map(markOf), [2]);
    });

    it('survives the interface going down while nothing is read, and being removed', async () => {
      const [a, b] = veth();
      const [left, right] = [host(a), host(b)];
      using socket = listen(left);
      using other = listen(right);
      for (let mark = 1; mark <= 5; mark++) {
        left.setUp(false);
        left.setUp(true);
        await carried(other, socket, mark);
      }
      left.remove();
      const [c, d] = veth();
      using later = listen(host(c));
      using sender = listen(host(d));
      sender.send(frameWith('arp', 100));
      await later.heard(100);
      assert.deepEqual(socket.errors, []);
    });
  });
});
