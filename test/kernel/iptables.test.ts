import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createIpvsDriver, type IpvsDriver } from '../../src/ipvs/driver.js';
import { kubeVipLeftovers } from '../../src/ipvs/foreign.js';
import type { WantedService } from '../../src/ipvs/plan.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createFlows } from '../../src/kernel/linux/flow-reset.js';
import { readFoundRules } from '../../src/kernel/linux/found-rules.js';
import { createIptablesMasquerade } from '../../src/kernel/linux/iptables-masquerade.js';
import { createIptablesProgram } from '../../src/kernel/linux/iptables-program.js';
import { createIpvs } from '../../src/kernel/linux/ipvs.js';
import { createHostMasquerade, createMasquerade } from '../../src/kernel/linux/masquerade.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import { createSysctlMemory, createSysctls } from '../../src/kernel/linux/sysctl.js';
import { endpoint, type Family, hostPrefix } from '../../src/net/ip.js';
import { createHostSettings } from '../../src/sysctl/holder.js';
import type { LogFields } from '../../src/telemetry/log.js';
import { millis } from '../../src/time/instant.js';
import { silentLog } from '../fakes/log.js';
import { run } from '../netns/network-namespace.js';
import { clock } from '../netns/poll.js';
import { addressOf, type Cluster, createCluster, vips } from './cluster.js';
import { inDebianKernel } from './debian-kernel.js';

// A kernel that has iptables and no nftables.

const port = 6443;
const noNftables = '/etc/modprobe.d/no-nftables.conf';
const families: readonly Family[] = [4, 6];
const places = ['remote', 'worker', 'cp1', 'cp2'] as const;
const vip = (family: Family) => ({ ip: vips[family], port });

inDebianKernel(import.meta.filename, () => {
  describe('IPVS behind a VIP where only iptables is', () => {
    let cluster: Cluster;
    let driver: IpvsDriver;
    let untouched: readonly string[];
    const said: (LogFields | undefined)[] = [];
    const log = { ...silentLog, info: (_: string, fields?: LogFields) => void said.push(fields) };
    const masquerade = createHostMasquerade(clock, log);

    before(async () => {
      writeFileSync(noNftables, 'install nf_tables /bin/false\n');
      cluster = createCluster();
      const { device, cp1, cp2, cp3 } = cluster;
      for (const [name, host] of Object.entries({ cp1, cp2, cp3 })) await host.serve(name, port);
      // A firewall that lets the cluster in, and what a network plugin does.
      for (const [iptables, pods] of [
        ['iptables-legacy', '10.244.0.0/16'],
        ['ip6tables-legacy', 'fd00:244::/64'],
      ] as const) {
        run(iptables, '-t', 'nat', '-N', 'PODS');
        run(iptables, '-t', 'nat', '-A', 'POSTROUTING', '-m', 'comment', '--comment', 'pods’ "NAT"', '-j', 'PODS');
        run(iptables, '-t', 'nat', '-A', 'PODS', '-s', pods, '!', '-d', pods, '-j', 'MASQUERADE');
        run(iptables, '-A', 'INPUT', '-p', 'tcp', '--dport', String(port), '-j', 'ACCEPT');
        run(iptables, '-A', 'INPUT', '-p', 'udp', '--dport', '4789', '-j', 'DROP');
      }
      untouched = rules();
      const network = createNetwork(loadAddon(), clock);
      const link = (await network.links()).find(({ name }) => name === device)?.index ?? 0;
      for (const ip of Object.values(vips)) {
        await network.putAddress({ ip, prefixLength: hostPrefix(ip), link, lifetime: 'forever' });
      }
      const memory = createSysctlMemory(join(await mkdtemp(join(tmpdir(), 'vipd-')), 'sysctls.json'));
      const settings = createHostSettings({
        sysctls: createSysctls(),
        memory,
        release: release(),
        clock,
        log: silentLog,
      });
      driver = createIpvsDriver({
        ipvs: createIpvs(clock),
        masquerade,
        flows: createFlows(loadAddon(), clock),
        settings: { hold: (family) => settings.hold('ipvs', family) },
        lookInterval: millis(500),
        clock,
        log: silentLog,
      });
      await driver.set(services([1, 1, 1]));
      await driver.open();
    });
    after(async () => {
      await driver.close();
      cluster[Symbol.dispose]();
    });
    beforeEach(() => driver.set(services([1, 1, 1])));

    test('the kernel has no nftables, which the log gives as the reason', async () => {
      assert.doesNotMatch(readFileSync('/proc/modules', 'utf8'), /^nf_tables /m);
      await assert.rejects(createMasquerade(clock).set([{ ...vip(4), refuses: false }]), { code: 'ENOTSUP' });
      const because = 'nftables: set nftables masquerade: ENOTSUP';
      assert.deepEqual(said, [{ by: 'iptables-legacy', because }]);
    });

    for (const family of families) {
      for (const place of places) {
        test(`IPv${family}: 300 connections from ${place} are 100 to each backend`, async () => {
          const answered = await cluster[place].count(300, vip(family));
          assert.deepEqual(Object.keys(answered).sort(), ['cp1', 'cp2', 'cp3'], JSON.stringify(answered));
          for (const share of Object.values(answered)) assert.ok(share >= 90 && share <= 110, JSON.stringify(answered));
        });
      }
    }

    test('without a backend clients are refused at once, wherever they are', async () => {
      for (const weights of [[], [0, 0, 0]]) {
        await driver.set(services(weights));
        for (const family of families) {
          for (const place of places) {
            const started = performance.now();
            assert.deepEqual(await cluster[place].count(4, vip(family)), { ECONNREFUSED: 4 }, `${place} IPv${family}`);
            const took = performance.now() - started;
            assert.ok(took < 1000, `${place} IPv${family}: ${took} ms`);
          }
        }
      }
    });

    test('a removed backend’s connections are reset, wherever the client is and whether it speaks or not', async () => {
      for (const family of families) {
        for (const place of places) {
          for (const how of ['ask', 'hear'] as const) {
            const held = await Promise.all([1, 2, 3].map(() => cluster[place].open(vip(family))));
            const names = await Promise.all(held.map((connection) => connection.ask()));
            await driver.set(services([1, 1]));
            const ends = held.map((connection, index) =>
              names[index] === 'cp3' ? connection[how]() : connection.ask(),
            );
            const expected = names.map((name) => (name === 'cp3' ? 'ECONNRESET' : name));
            assert.deepEqual(await Promise.all(ends), expected, `${place} IPv${family} ${how}`);
            await driver.set(services([1, 1, 1]));
          }
        }
      }
    });

    test('our rules come first, and a rule that others put before them later is none of ours', async () => {
      run('iptables-legacy', '-t', 'nat', '-I', 'POSTROUTING', '-s', '10.9.9.9', '-j', 'RETURN');
      await driver.set(services([]));
      const nat = run('iptables-legacy', '-t', 'nat', '-S', 'POSTROUTING').split('\n');
      assert.deepEqual(nat.slice(1, 3), [
        '-A POSTROUTING -j VIPD-POSTROUTING',
        '-A POSTROUTING -s 10.9.9.9/32 -j RETURN',
      ]);
      run('iptables-legacy', '-t', 'nat', '-D', 'POSTROUTING', '-s', '10.9.9.9', '-j', 'RETURN');
    });

    test('without services the rules are as they were before', async () => {
      await driver.set(services([]));
      assert.notDeepEqual(rules(), untouched);
      await driver.close();
      assert.deepEqual(rules(), untouched);
    });

    test('what a killed daemon has left goes at the next start', async () => {
      const killed = createHostMasquerade(clock, silentLog);
      await killed.set(families.map((family) => ({ ...vip(family), refuses: true })));
      assert.notDeepEqual(rules(), untouched);
      await createHostMasquerade(clock, silentLog).set([]);
      assert.deepEqual(rules(), untouched);
    });

    test('what kube-vip left is named, and the commands remove it', async () => {
      const leftovers = async () => {
        const found = { services: await createIpvs(clock).services(), rules: await readFoundRules(clock) };
        return kubeVipLeftovers(found, families.map(vip));
      };
      assert.deepEqual(await leftovers(), []);
      run('ipvsadm', '-A', '-f', '10042', '-s', 'rr');
      run('ipvsadm', '-A', '-t', endpoint(vips[6], 8443), '-s', 'rr');
      run('ipvsadm', '-A', '-t', '10.96.0.1:443', '-s', 'rr');
      const masqueraded = ['-m', 'ipvs', '--vaddr', vips[4], '-j', 'MASQUERADE'] as const;
      const comment = ['-m', 'comment', '--comment', `${vips[4]} kube-vip load balancer IP`] as const;
      run('iptables-legacy', '-t', 'nat', '-I', 'POSTROUTING', '1', ...masqueraded, ...comment);
      const found = await leftovers();
      assert.deepEqual(found.map(({ what }) => what).sort(), [
        'IPVS service [2001:db8:1::100]:8443',
        'IPVS service on mark 10042',
        'iptables-legacy rule in nat POSTROUTING',
      ]);
      for (const { remove } of found) run('sh', '-c', remove);
      assert.deepEqual(rules(), untouched);
      assert.equal(run('ipvsadm', '-Sn').trim(), '-A -t 10.96.0.1:443 -s rr');
    });

    test('where nftables is, it is taken without a word; iptables-nft would do as well, and leaves nothing of ours', async () => {
      rmSync(noNftables);
      said.length = 0;
      const refusing = families.map((family) => ({ ...vip(family), refuses: true }));
      const chosen = createHostMasquerade(clock, log);
      await chosen.set(refusing);
      assert.ok(run('nft', 'list', 'tables').includes('inet vipd-ipvs'));
      await chosen.set([]);
      assert.deepEqual(said, []);
      const byIptablesNft = createIptablesMasquerade(createIptablesProgram('iptables'));
      for (const services of [refusing, refusing.slice(0, 1), refusing]) await byIptablesNft.set(services);
      for (const command of ['iptables-nft-save', 'ip6tables-nft-save']) {
        const jumps = run(command).match(/^-A \w+ -j VIPD-\w+$/gm);
        assert.deepEqual(jumps?.sort(), [
          '-A INPUT -j VIPD-INPUT',
          '-A OUTPUT -j VIPD-OUTPUT',
          '-A OUTPUT -j VIPD-OUTPUT',
          '-A POSTROUTING -j VIPD-POSTROUTING',
        ]);
      }
      await createHostMasquerade(clock, silentLog).set([]);
      assert.doesNotMatch(run('nft', 'list', 'ruleset'), /vipd/i);
      assert.deepEqual(rules(), untouched);
    });
  });
});

/** The services of both VIPs, with as many backends as weights. */
function services(weights: readonly number[]): readonly WantedService[] {
  return families.map((family) => ({
    ...vip(family),
    scheduler: 'rr',
    destinations: weights.map((weight, index) => ({ ip: addressOf(index + 1, family), port, weight })),
  }));
}

/** Without counters and remarks. */
function rules(): readonly string[] {
  const saved = run('iptables-legacy-save') + run('ip6tables-legacy-save');
  return saved
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ''));
}
