import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';
import { createNftBalancing } from '../../src/kernel/linux/nft-balancing.js';
import type { BalancedService } from '../../src/kernel/ports.js';
import {
  type BackendName,
  type BalancingHosts,
  backendNames,
  createBalancingHosts,
  families,
  others,
  places,
  port,
  servicesOf,
  type Tally,
  vip,
  within,
} from './balancing-hosts.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock, until } from './poll.js';

inOwnNamespace(import.meta.filename, () => {
  describe('balancing by nftables', () => {
    const balancing = createNftBalancing(clock);
    let lan: BalancingHosts;
    before(async () => {
      lan = await createBalancingHosts();
    });
    after(async () => {
      await balancing.set([]);
      await lan[Symbol.asyncDispose]();
    });
    afterEach(() => balancing.set([]));

    test('300 connections from everywhere: 100 for each backend, and the counters say so', async () => {
      await balancing.set(servicesOf(backendNames));
      for (const family of families) {
        for (const where of places) {
          const { greetings, failures, slowest } = await lan.count(where, vip[family], 300);
          assert.deepEqual(failures, {});
          for (const name of backendNames) {
            const share = greetings[name] ?? 0;
            assert.ok(share >= 90 && share <= 110, `${where}, IPv${family}: ${JSON.stringify(greetings)}`);
          }
          console.log(`  IPv${family} from ${where}: ${JSON.stringify(greetings)}, slowest ${slowest} ms`);
        }
      }
      for (const stats of await balancing.stats()) {
        assert.equal(stats.total, places.length * 100);
        // A handshake, a greeting, an end: four segments or more of each side.
        for (const bytes of [stats.bytesFromClient, stats.bytesToClient]) {
          assert.ok(bytes > (400n * 4n * 52n * 3n) / 4n && bytes < 400n * 1000n, `${stats.name}: ${bytes} bytes`);
        }
      }
    });

    test('weights, the most unlike of which make a round of 764 turns: each has exactly its part of every round', async (t) => {
      for (const [weights, rounds] of [
        [[3, 1, 2], 50],
        [[256, 255, 253], 1],
      ] as const) {
        const ofWeight = (backends: BalancedService['backends']) =>
          backends.map((backend, index) => ({ ...backend, weight: weights[index] ?? 1 }));
        const started = performance.now();
        await balancing.set(servicesOf(backendNames).map((s) => ({ ...s, backends: ofWeight(s.backends) })));
        const took = performance.now() - started;
        const connections = rounds * weights.reduce((sum, weight) => sum + weight, 0);
        const { greetings, failures, slowest } = await lan.count('remote', vip[4], connections);
        t.diagnostic(`${weights}: ${JSON.stringify(greetings)}, slowest ${slowest} ms; set in ${took.toFixed(0)} ms`);
        const expected = backendNames.map((name, index) => [name, rounds * (weights[index] ?? 0)]);
        assert.deepEqual([greetings, failures], [Object.fromEntries(expected), {}]);
      }
    });

    test('nobody else’s tables change, and what they do goes on', async () => {
      // As kube-proxy has them: a service address of its own, marked and masqueraded, and a forward policy.
      run(
        'nft',
        `
        table ip kube-proxy {
          chain services { type nat hook prerouting priority dstnat; ip daddr 10.96.0.1 tcp dport 443 jump api; }
          chain local { type nat hook output priority -100; ip daddr 10.96.0.1 tcp dport 443 jump api; }
          chain api { meta mark set meta mark or 0x4000; meta l4proto tcp dnat to ${others.cp2[4]}:${port}; }
          chain out { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0x4000 masquerade; }
          chain forward { type filter hook forward priority filter; ct state invalid drop; }
        }`,
      );
      run('ip', 'route', 'add', '10.96.0.0/16', 'dev', lan.device);
      const foreign = () => run('nft', '-s', 'list', 'table', 'ip', 'kube-proxy');
      const before = foreign();
      await balancing.set(servicesOf(backendNames));
      for (const where of ['remote', 'leader'] as const) {
        const peer = lan.start(where, 'count', '10.96.0.1', 443, 3);
        assert.deepEqual(((await peer.next()) as Tally).greetings, { cp2: 3 });
        assert.deepEqual((await lan.count(where, vip[4], 3)).greetings, { leader: 1, cp2: 1, cp3: 1 });
      }
      await balancing.set(servicesOf(['cp2']));
      assert.equal(foreign(), before);
      await balancing.set([]);
      assert.equal(foreign(), before);
      run('nft', 'delete', 'table', 'ip', 'kube-proxy');
    });

    test('without a backend clients are refused at once, everywhere', async () => {
      for (const services of [servicesOf([]), servicesOf(['cp2'], ['cp2'])]) {
        await balancing.set(services);
        for (const family of families) {
          for (const where of places) {
            const { failures, slowest } = await lan.count(where, vip[family], 3);
            assert.deepEqual(failures, { ECONNREFUSED: 3 }, `${where}, IPv${family}`);
            assert.ok(slowest < 200, `${slowest} ms`);
          }
        }
      }
    });

    test('the backends change under 200 connections/s: none fails', async () => {
      await balancing.set(servicesOf(backendNames));
      const streams = (['remote', 'leader'] as const).map((where) =>
        lan.start(where, 'stream', vip[where === 'remote' ? 4 : 6], port, 100),
      );
      for (const stream of streams) await stream.next();
      const sets: readonly (readonly BackendName[])[] = [['cp2'], ['leader', 'cp3'], ['cp3'], backendNames, ['leader']];
      const started = clock.now();
      let changes = 0;
      while (clock.now() - started < 3000) {
        await balancing.set(servicesOf(sets[changes++ % sets.length] ?? []));
      }
      for (const stream of streams) {
        stream.child.stdin.end();
        const { greetings, failures } = (await stream.next()) as Tally;
        assert.deepEqual(failures, {});
        console.log(`  ${changes} changes, ${JSON.stringify(greetings)}`);
        for (const name of backendNames) assert.ok((greetings[name] ?? 0) > 0, JSON.stringify(greetings));
      }
    });

    test('a drained backend gets no new connections; open ones go on', async () => {
      await balancing.set(servicesOf(backendNames));
      const { peer, names } = await lan.hold('remote', vip[4], 6);
      assert.deepEqual([...names].sort(), ['cp2', 'cp2', 'cp3', 'cp3', 'leader', 'leader']);
      await balancing.set(servicesOf(backendNames, ['cp2']));
      const bytes = async () => (await balancing.stats()).find(({ name }) => name === 'cp2')?.bytesFromClient ?? 0n;
      const before = await bytes();
      assert.deepEqual((await lan.count('remote', vip[4], 10)).greetings, { leader: 5, cp3: 5 });
      peer.child.stdin.write('say\n');
      assert.deepEqual(await within(2000, 'every backend answers', peer.take(6)).then(answered), [...names].sort());
      assert.ok((await bytes()) > before);
      await peer.stop();
    });

    test('while the address is elsewhere, this host’s connections to it go there', async () => {
      const server = lan.start('neighbour', 'serve', 'neighbour', port);
      await server.next();
      const [service] = servicesOf(['cp3']);
      assert.ok(service);
      await balancing.set([{ ...service, ip: others.neighbour[4] }]);
      const peer = lan.start('leader', 'count', others.neighbour[4], port, 2);
      assert.deepEqual(((await peer.next()) as Tally).greetings, { neighbour: 2 });
      await server.stop();
    });

    test('the table is its owner’s and ends with the process', async () => {
      const tableIsThere = () => run('nft', 'list', 'tables').includes('vipd-balancing');
      const script = `
        const { createNftBalancing } = await import(${JSON.stringify(import.meta.resolve('../../src/kernel/linux/nft-balancing.js'))});
        const { createSystemClock } = await import(${JSON.stringify(import.meta.resolve('../../src/time/system-clock.js'))});
        await createNftBalancing(createSystemClock(() => performance.now())).set(${JSON.stringify(servicesOf(backendNames))});
        console.log('set');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      run('nft', 'flush', 'ruleset');
      assert.ok(tableIsThere());
      await assert.rejects(balancing.set(servicesOf(['cp2'])), {
        message: 'set nftables balancing: table vipd-balancing: EPERM',
      });
      child.kill('SIGKILL');
      await until(() => !tableIsThere(), { what: 'the table of a killed process is gone' });
    });
  });
});

/** The backends that answered, sorted. */
function answered(values: readonly unknown[]): readonly string[] {
  return values.map((value) => (value as { readonly answered: string }).answered).sort();
}
