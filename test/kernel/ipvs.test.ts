import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createIpvsDriver, type IpvsDriver } from '../../src/ipvs/driver.js';
import type { WantedService } from '../../src/ipvs/plan.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createFlows } from '../../src/kernel/linux/flow-reset.js';
import { createIpvs } from '../../src/kernel/linux/ipvs.js';
import { createMasquerade } from '../../src/kernel/linux/masquerade.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import { createSysctlMemory, createSysctls } from '../../src/kernel/linux/sysctl.js';
import type { Endpoint, IpvsScheduler, PresentService } from '../../src/kernel/ports.js';
import { endpoint, type Family, hostPrefix } from '../../src/net/ip.js';
import { createHostSettings } from '../../src/sysctl/holder.js';
import { millis } from '../../src/time/instant.js';
import { ipvsContract } from '../contract/ipvs.js';
import { silentLog } from '../fakes/log.js';
import { run } from '../netns/network-namespace.js';
import { clock, until } from '../netns/poll.js';
import { addressOf, type Cluster, createCluster, type HeldConnection, type Host, vips } from './cluster.js';
import { inDebianKernel } from './debian-kernel.js';

const port = 6443;
const families: readonly Family[] = [4, 6];
const ipvs = createIpvs(clock);

inDebianKernel(import.meta.filename, () => {
  describe('a kernel that may load no modules', () => {
    const loader = '/proc/sys/kernel/modprobe';
    const modprobe = readFileSync(loader, 'utf8');
    after(() => writeFileSync(loader, modprobe));

    test('has no IPVS, and then no scheduler', async () => {
      writeFileSync(loader, '/bin/false');
      assert.deepEqual(await ipvs.probe('rr'), { ok: false, because: 'no-ip-vs' });
      run('modprobe', 'ip_vs');
      assert.deepEqual(await ipvs.probe('rr'), { ok: false, because: 'no-scheduler' });
      assert.equal(ipvsadm('-Sn'), '');
      run('modprobe', '-r', 'ip_vs');
    });

    test('loads it by itself when it may', async () => {
      writeFileSync(loader, modprobe);
      const support = await ipvs.probe('rr');
      assert.deepEqual([support.ok, ipvsadm('-Sn')], [true, '']);
    });

    test('without CAP_NET_ADMIN it is not permitted', () => {
      const script = `
        const { createIpvs } = await import(${JSON.stringify(import.meta.resolve('../../src/kernel/linux/ipvs.js'))});
        const { clock } = await import(${JSON.stringify(import.meta.resolve('../netns/poll.js'))});
        console.log(JSON.stringify(await createIpvs(clock).probe('rr')));`;
      const node = [process.execPath, '--input-type=module', '-e', script] as const;
      const said = run('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', ...node);
      assert.deepEqual(JSON.parse(said), { ok: false, because: 'not-permitted' });
    });
  });

  ipvsContract('Linux', ipvs);

  describe('IPVS behind a VIP', () => {
    let cluster: Cluster;
    let driver: IpvsDriver;
    let untouched: unknown;
    before(async () => {
      cluster = createCluster();
      const { device, cp1, cp2, cp3 } = cluster;
      for (const [name, host] of Object.entries({ cp1, cp2, cp3 })) await host.serve(name, port);
      run('ipvsadm', '-A', '-t', '10.96.0.1:443', '-s', 'sh', '-p', '300');
      run('ipvsadm', '-a', '-t', '10.96.0.1:443', '-r', '10.244.0.1:6443', '-m', '-w', '7');
      run('ipvsadm', '-A', '-u', '10.96.0.10:53', '-s', 'wlc');
      run('ipvsadm', '-A', '-f', '6443', '-s', 'rr');
      run('nft', 'add table ip other; add chain ip other post { type nat hook postrouting priority 100; }');
      untouched = hostState();
      const network = createNetwork(loadAddon(), clock);
      const link = (await network.links()).find(({ name }) => name === device)?.index ?? 0;
      for (const family of families) {
        const ip = vips[family];
        await network.putAddress({ ip, prefixLength: hostPrefix(ip), link, lifetime: 'forever' });
      }
      const memory = createSysctlMemory(join(await mkdtemp(join(tmpdir(), 'vipd-')), 'sysctls.json'));
      const host = createHostSettings({ sysctls: createSysctls(), memory, release: release(), clock, log: silentLog });
      const settings = { hold: (family: Family) => host.hold('ipvs', family) };
      const masquerade = createMasquerade(clock);
      const flows = createFlows(loadAddon(), clock);
      driver = createIpvsDriver({
        ipvs,
        masquerade,
        flows,
        settings,
        lookInterval: millis(500),
        clock,
        log: silentLog,
      });
      await driver.set(services({}));
      await driver.open();
    });
    after(async () => {
      await driver.close();
      cluster[Symbol.dispose]();
    });

    /** Every backend of one client's connections. */
    const three = (each: number) => ({ cp1: each, cp2: each, cp3: each });
    const present = async (family: Family) =>
      (await driver.read()).find(({ ip }) => ip === vips[family]) as PresentService;
    const vip = (family: Family) => ({ ip: vips[family], port });
    /** Open connections, one to each backend, by name. */
    const openToEach = async (host: Host, family: Family) => {
      const held = await Promise.all([1, 2, 3].map(() => host.open(vip(family))));
      const named = await Promise.all(held.map(async (connection) => [await connection.ask(), connection] as const));
      assert.deepEqual(named.map(([name]) => name).sort(), ['cp1', 'cp2', 'cp3']);
      return Object.fromEntries(named) as Readonly<Record<'cp1' | 'cp2' | 'cp3', HeldConnection>>;
    };

    for (const family of families) {
      for (const place of ['remote', 'worker', 'cp1', 'cp2'] as const) {
        test(`IPv${family}: 300 connections from ${place} are 100 to each backend`, async () => {
          const before = await present(family);
          const answered = Object.entries(await cluster[place].count(300, vip(family))).sort();
          const told = answered.map(([, share]) => BigInt(share));
          const figures = answered.map(([name, share]) => `${name} ${share}`).join(', ');
          assert.deepEqual(
            answered.map(([name]) => name),
            ['cp1', 'cp2', 'cp3'],
            figures,
          );
          assert.ok(
            told.every((share) => share >= 90n && share <= 110n),
            figures,
          );
          await until(async () => isDeepStrictEqual(scheduled(before, await present(family)), [300n, ...told]), {
            what: `the kernel has counted 300 connections: ${figures}`,
          });
        });
      }
    }

    test('what is read is what ipvsadm shows', async () => {
      for (const family of families) {
        await cluster.worker.open(vip(family));
        await until(async () => isDeepStrictEqual(shownByIpvsadm(vip(family)), tellAsIpvsadm(await present(family))), {
          what: `ipvsadm and vipd agree: ${shownByIpvsadm(vip(family)).join(', ')}`,
        });
        assert.match(shownByIpvsadm(vip(family)).join(), / Masq 1 [1-9]\d* \d+ [1-9]\d* [1-9]\d* /);
      }
    });

    // Whatever the last test left.
    beforeEach(() => driver.set(services({})));

    test('least connection gives to those that have fewest', async () => {
      await driver.set(services({ scheduler: 'lc' }));
      const held = await Promise.all(Array.from({ length: 9 }, () => cluster.worker.open(vip(4))));
      const names = await Promise.all(held.map((connection) => connection.ask()));
      assert.deepEqual(tally(names), three(3));
      await driver.set(services({}));
      assert.deepEqual(await cluster.worker.count(30, vip(4)), three(10));
    });

    test('weights give each its part, and change in place: open connections go on', async () => {
      for (const family of families) {
        const held = await openToEach(cluster.remote, family);
        await driver.set(services({ scheduler: 'wrr', weights: [3, 1, 2] }));
        assert.deepEqual(await cluster.remote.count(60, vip(family)), { cp1: 30, cp2: 10, cp3: 20 });
        await driver.set(services({ scheduler: 'wrr', weights: [1, 1, 4] }));
        assert.deepEqual(await cluster.remote.count(60, vip(family)), { cp1: 10, cp2: 10, cp3: 40 });
        await driver.set(services({}));
        for (const name of ['cp1', 'cp2', 'cp3'] as const) assert.equal(await held[name].ask(), name);
      }
    });

    test('weight 0 drains: open connections go on, new ones go elsewhere', async () => {
      for (const family of families) {
        const held = await openToEach(cluster.remote, family);
        await driver.set(services({ weights: [1, 0, 1] }));
        assert.deepEqual(await cluster.remote.count(60, vip(family)), { cp1: 30, cp3: 30 });
        assert.equal(await held.cp2.ask(), 'cp2');
        const drained = (await present(family)).destinations.find(({ ip }) => ip === addressOf(2, family));
        assert.deepEqual([drained?.weight, (drained?.active ?? 0) > 0], [0, true]);
        await driver.set(services({}));
        assert.deepEqual(await cluster.remote.count(60, vip(family)), three(20));
      }
    });

    test('a removed backend’s connections are reset, wherever the client is and whether it speaks or not; others go on', async (t) => {
      const times: string[] = [];
      for (const family of families) {
        for (const place of ['remote', 'worker', 'cp1', 'cp3'] as const) {
          const where = `${place} IPv${family}`;
          for (const how of ['ask', 'hear'] as const) {
            const held = await openToEach(cluster[place], family);
            const started = performance.now();
            await driver.set(services({ without: 2 }));
            const removed = performance.now();
            assert.equal(await held.cp2[how](), 'ECONNRESET', `${where} ${how}`);
            times.push(`${how} ${Math.round(removed - started)}+${Math.round(performance.now() - removed)}`);
            assert.deepEqual([await held.cp1.ask(), await held.cp3.ask()], ['cp1', 'cp3'], where);
            await driver.set(services({}));
          }
        }
      }
      // Emulated: right for behaviour, wrong for speed.
      t.diagnostic(`milliseconds until the backend is removed, and from then until the reset: ${times.join(', ')}`);
    });

    test('without a backend clients are refused at once, wherever they are', async () => {
      for (const without of ['none', 'all-drained'] as const) {
        const weights = without === 'none' ? [] : [0, 0, 0];
        await driver.set(services({ weights }));
        for (const family of families) {
          for (const place of ['remote', 'worker', 'cp1', 'cp2'] as const) {
            const started = performance.now();
            assert.deepEqual(await cluster[place].count(4, vip(family)), { ECONNREFUSED: 4 }, `${place} IPv${family}`);
            const took = performance.now() - started;
            assert.ok(took < 1000, `${place} IPv${family} ${without}: ${took} ms`);
          }
        }
      }
    });

    test('what others do to the services is mended', async () => {
      run('ipvsadm', '-D', '-t', endpoint(vips[4], port));
      run('ipvsadm', '-E', '-t', endpoint(vips[6], port), '-s', 'wlc', '-p', '60');
      await until(
        async () => (await driver.read()).every((s) => s.plain && s.scheduler === 'rr' && s.destinations.length === 3),
        {
          what: 'services are mended',
        },
      );
      for (const family of families) assert.deepEqual(await cluster.remote.count(30, vip(family)), three(10));
    });

    test('in the end everything of this host is as it was, others’ services included', async () => {
      assert.notDeepEqual(hostState(), untouched);
      await driver.close();
      assert.deepEqual(hostState(), untouched);
      const names = (await ipvs.services()).map((service) =>
        service.kind === 'mark' ? `mark ${service.mark}` : `${service.protocol} ${endpoint(service.ip, service.port)}`,
      );
      assert.deepEqual(names.sort(), ['mark 6443', 'tcp 10.96.0.1:443', 'udp 10.96.0.10:53']);
    });
  });
});

/** The services of both VIPs, each with three backends but for `without`. */
function services(change: {
  readonly scheduler?: IpvsScheduler;
  readonly weights?: readonly number[];
  readonly without?: number;
}): readonly WantedService[] {
  const { scheduler = 'rr', weights = [1, 1, 1], without } = change;
  return families.map((family) => ({
    ip: vips[family],
    port,
    scheduler,
    destinations: weights
      .map((weight, index) => ({ ip: addressOf(index + 1, family), port, weight, number: index + 1 }))
      .filter(({ number }) => number !== without)
      .map(({ ip, port, weight }) => ({ ip, port, weight })),
  }));
}

/** Everything that IPVS with masquerade changes of a host. */
function hostState(): unknown {
  const settings = [
    ...['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding', 'net/ipv6/conf/lan/accept_ra'],
    ...['net/ipv4/vs/conntrack', 'net/ipv4/vs/expire_nodest_conn', 'net/ipv4/vs/conn_reuse_mode'],
  ];
  return {
    settings: settings.map((name) => [name, readFileSync(`/proc/sys/${name}`, 'utf8').trim()]),
    services: ipvsadm('-Sn').split('\n').sort(),
    rules: run('nft', 'list', 'ruleset'),
  };
}

function ipvsadm(...args: readonly string[]): string {
  return run('ipvsadm', ...args).trim();
}

/** Address, forwarding, weight, active and inactive connections, and the counters of each destination. */
function shownByIpvsadm({ ip, port }: Endpoint): readonly string[] {
  const lines = (...args: readonly string[]) =>
    ipvsadm('-L', '-n', ...args, '-t', endpoint(ip, port))
      .split('\n')
      .filter((line) => line.includes('->') && !line.includes('RemoteAddress'))
      .map((line) => line.trim().split(/\s+/).slice(1));
  const stats = lines('--stats', '--exact');
  return lines().map(([to, ...rest]) =>
    [to, ...rest, ...(stats.find(([same]) => same === to)?.slice(1) ?? [])].join(' '),
  );
}

function tellAsIpvsadm(service: PresentService): readonly string[] {
  const lines = service.destinations.map(({ ip, port, plain, weight, active, inactive, counters: c }) => {
    const counted = [c.connections, c.packetsFromClient, c.packetsToClient, c.bytesFromClient, c.bytesToClient];
    return [endpoint(ip, port), plain ? 'Masq' : 'other', weight, active, inactive, ...counted].join(' ');
  });
  return lines.sort();
}

/** How many connections went through the service since `before`, and to each of its destinations. */
function scheduled(before: PresentService, now: PresentService): readonly bigint[] {
  const earlier = (ip: string) => before.destinations.find((d) => d.ip === ip)?.counters.connections ?? 0n;
  return [
    now.counters.connections - before.counters.connections,
    ...[...now.destinations]
      .sort((a, b) => a.ip.localeCompare(b.ip))
      .map(({ ip, counters }) => counters.connections - earlier(ip)),
  ];
}

function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
