import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import { createPacketSockets } from '../../src/kernel/linux/packet-socket.js';
import { announcementFrame, hear, probeFrame } from '../../src/ndp/announcement.js';
import type { Ip } from '../../src/net/ip.js';
import type { Mac } from '../../src/net/mac.js';
import { millis } from '../../src/time/instant.js';
import { answerLines, connect, createLan, inOwnNamespace, type Lan, run, vipAddress } from './network-namespace.js';
import { clock, until } from './poll.js';

const vip = vipAddress[6];

inOwnNamespace(import.meta.filename, () => {
  describe('the IPv6 address of a VIP in the kernel', () => {
    const addon = loadAddon();
    const network = createNetwork(addon, clock);
    let lan: Lan;
    let link: { readonly index: number; readonly mac: Mac };

    before(async () => {
      lan = createLan();
      // The strictest there is: an interface whose own address has a duplicate stops speaking IPv6.
      writeFileSync(`/proc/sys/net/ipv6/conf/${lan.device}/accept_dad`, '2');
      const found = (await network.links()).find(({ name }) => name === lan.device);
      assert.ok(found?.mac !== undefined);
      link = { index: found.index, mac: found.mac };
    });
    after(() => lan[Symbol.dispose]());

    const put = () => network.putAddress({ ip: vip, prefixLength: 128, link: link.index, lifetime: millis(20_000) });
    const remove = () => network.removeAddress({ ip: vip, prefixLength: 128, link: link.index });
    const shown = () => run('ip', '-6', 'address', 'show', 'to', vip);

    const speak = (onFrame: (frame: Uint8Array) => void) =>
      createPacketSockets(addon).open({ link: link.index, protocol: 'ndp', groups: [] }, onFrame, () =>
        assert.fail('no error'),
      );

    test('serves in the moment in which it is there', async () => {
      await using _server = await answerLines('node', '::' as Ip, 6443);
      await put();
      assert.match(shown(), /nodad deprecated/);
      assert.doesNotMatch(shown(), /tentative|dadfailed|optimistic/);
      await using connection = connect(lan.client, vip, 6443);
      assert.match((await connection.ask('hello')) ?? 'no answer', /^node /);
      await remove();
    });

    test('stays usable whatever another host says that has the same address', async () => {
      lan.client.run('ip', 'address', 'add', `${vip}/128`, 'dev', 'eth0', 'nodad');
      const claims: string[] = [];
      using socket = speak((frame) => {
        const heard = hear(frame, [vip], link.mac);
        if (heard !== undefined) claims.push(heard.mac);
      });
      await put();
      // Asked by our probe, the other host’s kernel says that the address is its own, and ours hears that too.
      for (let asked = 1; asked <= 3; asked++) {
        socket.send(probeFrame(vip, link.mac));
        await until(() => claims.length >= asked, { every: 2, what: 'the answer' });
        await put();
        assert.doesNotMatch(shown(), /tentative|dadfailed/);
      }
      lan.client.run('ip', 'address', 'delete', `${vip}/128`, 'dev', 'eth0');
      lan.client.run('ip', '-6', 'neigh', 'flush', 'dev', 'eth0');
      await using _server = await answerLines('node', '::' as Ip, 6443);
      await using connection = connect(lan.client, vip, 6443);
      assert.match((await connection.ask('hello')) ?? 'no answer', /^node /);
      await remove();
    });

    test('is refused where IPv6 is switched off, and removing it is fine', async () => {
      const disable = `/proc/sys/net/ipv6/conf/${lan.device}/disable_ipv6`;
      writeFileSync(disable, '1');
      await assert.rejects(put(), (error) => error instanceof KernelError && error.code === 'EACCES');
      await remove();
      writeFileSync(disable, '0');
    });

    test('an advertisement corrects whoever knew another way', async () => {
      using socket = speak(() => {});
      const neighbour = () => lan.client.run('ip', '-6', 'neigh', 'show', vip);
      for (const state of ['reachable', 'stale']) {
        const old = ['lladdr', '02:00:00:00:00:77', 'dev', 'eth0', 'nud', state];
        lan.client.run('ip', '-6', 'neigh', 'replace', vip, ...old);
        socket.send(announcementFrame(vip, link.mac));
        await until(() => neighbour().includes(link.mac), {
          within: 1000,
          every: 2,
          what: `a ${state} entry corrected`,
        });
      }
    });
  });
});
