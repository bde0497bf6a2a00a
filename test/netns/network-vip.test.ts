import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import type { Lifetime } from '../../src/kernel/ports.js';
import { hostPrefix, type Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import {
  answerLines,
  clientAddress,
  connect,
  createLan,
  inOwnNamespace,
  type Lan,
  nodeAddress,
  run,
  vipAddress,
} from './network-namespace.js';
import { clock, until } from './poll.js';

inOwnNamespace(import.meta.filename, () => {
  describe('the VIP on a real kernel', () => {
    const network = createNetwork(loadAddon(), clock);
    let lan: Lan;
    let link: number;

    before(async () => {
      lan = createLan();
      link = (await network.links()).find(({ name }) => name === lan.device)?.index ?? 0;
    });
    after(() => lan[Symbol.dispose]());

    const vip = (ip: Ip, lifetime: Lifetime = 'forever') => ({ ip, prefixLength: hostPrefix(ip), link, lifetime });
    const hold = async (...ips: readonly Ip[]) => {
      for (const ip of ips) await network.putAddress(vip(ip));
      return {
        async [Symbol.asyncDispose]() {
          for (const ip of ips) await network.removeAddress(vip(ip));
        },
      };
    };
    const source = (to: Ip) => / src (\S+)/.exec(run('ip', 'route', 'get', to))?.[1];
    const onHost = (ip: Ip) => run('ip', '-o', 'addr', 'show', 'dev', lan.device).includes(` ${ip}/`);

    test('every put is in the kernel when the call returns, also several in one turn', async () => {
      const ips = [vipAddress[4], '192.0.2.101' as Ip, vipAddress[6]];
      const answers = ips.map((ip) => {
        const answer = network.putAddress(vip(ip, millis(20_000)));
        assert.ok(onHost(ip), ip);
        return answer;
      });
      await Promise.all(answers);
      for (const ip of ips) await network.removeAddress(vip(ip));
    });

    test('an address that is not refreshed is gone after its lifetime', async () => {
      const put = performance.now();
      for (const ip of Object.values(vipAddress)) await network.putAddress(vip(ip, millis(1000)));
      const gone = new Set<Ip>();
      using _ = network.watch((change) => change.kind === 'address-removed' && gone.add(change.ip));
      await until(() => gone.size === 2, { within: 3000, every: 5, what: 'both addresses are gone' });
      const passed = performance.now() - put;
      assert.ok(passed > 950 && passed < 1400, `${passed} ms`);
      for (const ip of Object.values(vipAddress)) assert.equal(onHost(ip), false);
    });

    test('a refreshed address is never away', async () => {
      const events: string[] = [];
      const ips: readonly Ip[] = Object.values(vipAddress);
      using _ = network.watch((change) => {
        const ip = change.kind === 'address-added' ? change.address.ip : 'ip' in change ? change.ip : undefined;
        if (ip !== undefined && ips.includes(ip)) events.push(change.kind);
      });
      const end = performance.now() + 1500;
      while (performance.now() < end) {
        for (const ip of ips) await network.putAddress(vip(ip, millis(1000)));
        const next = performance.now() + 300;
        await until(() => performance.now() > next, { every: 5, what: 'the next refresh' });
      }
      for (const ip of ips) await network.removeAddress(vip(ip));
      await until(() => events.length >= 4, { what: 'four events' });
      assert.deepEqual(events, ['address-added', 'address-added', 'address-removed', 'address-removed']);
    });

    test('an address of the same value that someone else added gets our lifetime, so it cannot stay behind', async () => {
      for (const ip of Object.values(vipAddress)) {
        run('ip', 'addr', 'add', `${ip}/${hostPrefix(ip)}`, 'dev', lan.device);
        await network.putAddress(vip(ip, millis(20_000)));
        const held = (await network.addresses()).find((address) => address.ip === ip);
        // Debian's 6.1 leaves IFA_PROTO as it was.
        assert.ok(held?.protocol === 118 || held?.protocol === undefined);
        assert.notEqual(held?.lifetime, 'forever');
        assert.equal(held?.deprecated, true);
        await network.removeAddress(vip(ip));
      }
    });

    test('other hosts reach it, over IPv4 and IPv6', async () => {
      await using _held = await hold(vipAddress[4], vipAddress[6]);
      await using _server = await answerLines('node', '::' as Ip, 6443);
      for (const family of [4, 6] as const) {
        await using connection = connect(lan.client, vipAddress[family], 6443);
        assert.equal(await connection.ask('hello'), `node ${clientAddress[family]}`);
      }
    });

    test('it is never the source of connections to other hosts', async () => {
      const elsewhere = '198.51.100.7' as Ip;
      await using _held = await hold(vipAddress[4], vipAddress[6], elsewhere);
      for (const family of [4, 6] as const) assert.equal(source(clientAddress[family]), nodeAddress[family]);
      run('ip', 'route', 'add', '198.51.100.0/24', 'dev', lan.device);
      run('ip', 'route', 'add', 'default', 'via', clientAddress[4]);
      run('ip', '-6', 'route', 'add', 'default', 'via', clientAddress[6]);
      for (const to of ['198.51.100.8', '203.0.113.1'] as Ip[]) assert.equal(source(to), nodeAddress[4], to);
      assert.equal(source('2001:db8:1::1' as Ip), nodeAddress[6]);
      run('ip', 'route', 'delete', '198.51.100.0/24', 'dev', lan.device);
      run('ip', 'route', 'delete', 'default');
      run('ip', '-6', 'route', 'delete', 'default');
    });

    test('it outlives the node address being taken away and given back, and does not take its place', async () => {
      const own = `${nodeAddress[4]}/24`;
      await using _held = await hold(vipAddress[4]);
      for (const promote of ['0', '1']) {
        writeFileSync(`/proc/sys/net/ipv4/conf/${lan.device}/promote_secondaries`, promote);
        run('ip', 'addr', 'delete', own, 'dev', lan.device);
        assert.ok(onHost(vipAddress[4]));
        run('ip', 'route', 'add', 'default', 'dev', lan.device);
        assert.notEqual(source(clientAddress[4]), vipAddress[4]);
        run('ip', 'route', 'delete', 'default');
        run('ip', 'addr', 'add', own, 'dev', lan.device);
        assert.ok(onHost(vipAddress[4]));
        assert.equal(source(clientAddress[4]), nodeAddress[4]);
      }
    });

    test('a prefix shorter than /32 is refused in the subnet of another address', async () => {
      await assert.rejects(network.putAddress({ ...vip(vipAddress[4]), prefixLength: 24 }), (error: KernelError) => {
        assert.equal(error.code, 'EINVAL');
        return true;
      });
    });

    test('notifications that the kernel drops are reported as an overrun, and the watch goes on', async () => {
      const ip = vipAddress[4];
      const kinds: string[] = [];
      using _ = network.watch((change) => kinds.push(change.kind));
      const flap = `addr add 198.51.100.1/32 dev ${lan.device}\naddr del 198.51.100.1/32 dev ${lan.device}\n`;
      // The event loop stands still meanwhile, as it does when the process is stopped.
      execFileSync('ip', ['-batch', '-'], { input: flap.repeat(15_000) });
      await until(() => kinds.includes('overrun'), { what: 'the overrun' });
      await network.putAddress(vip(ip));
      await network.removeAddress(vip(ip));
      await until(() => kinds.at(-1) === 'address-removed', { what: 'news after the overrun' });
      assert.deepEqual(kinds.slice(-3), ['overrun', 'address-added', 'address-removed']);
    });

    test('the kernel answers ARP for it unless arp_ignore is 3 or 8', async () => {
      await using _held = await hold(vipAddress[4]);
      const answers: Record<string, boolean> = {};
      const neighbour = '/proc/sys/net/ipv4/neigh/eth0';
      lan.client.run('sh', '-c', `echo 1 >${neighbour}/mcast_solicit; echo 200 >${neighbour}/retrans_time_ms`);
      for (const ignore of ['0', '1', '2', '3', '8']) {
        writeFileSync(`/proc/sys/net/ipv4/conf/${lan.device}/arp_ignore`, ignore);
        lan.client.run('ip', 'neigh', 'flush', 'dev', 'eth0');
        const resolve = `
          const socket = require('node:dgram').createSocket('udp4');
          socket.send('x', 9, '${vipAddress[4]}', () => socket.close());`;
        lan.client.run(process.execPath, '-e', resolve);
        const state = () => lan.client.run('ip', 'neigh', 'show', vipAddress[4]);
        await until(() => /REACHABLE|DELAY|STALE|FAILED/.test(state()), { what: 'an answer to ARP, or none' });
        answers[ignore] = !state().includes('FAILED');
      }
      writeFileSync(`/proc/sys/net/ipv4/conf/${lan.device}/arp_ignore`, '0');
      assert.deepEqual(answers, { 0: true, 1: true, 2: true, 3: false, 8: false });
    });
  });
});
