import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createFlows } from '../../src/kernel/linux/flow-reset.js';
import { createNftBalancing } from '../../src/kernel/linux/nft-balancing.js';
import type { BalancedBackend } from '../../src/kernel/ports.js';
import {
  addressOf,
  type BalancingHosts,
  backendNames,
  createBalancingHosts,
  families,
  others,
  type Peer,
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
  describe('connections of a backend that is gone', () => {
    const balancing = createNftBalancing(clock);
    const flows = createFlows(loadAddon(), clock);
    let lan: BalancingHosts;
    before(async () => {
      lan = await createBalancingHosts();
    });
    after(async () => {
      await balancing.set([]);
      await lan[Symbol.asyncDispose]();
    });
    afterEach(() => balancing.set([]));

    for (const gone of ['cp2', 'leader'] as const) {
      test(`${gone} removed: its idle connections are reset on both sides within 1 s, the others go on`, async () => {
        for (const family of families) {
          for (const where of places) {
            await balancing.set(servicesOf(backendNames));
            const { peer, names } = await lan.hold(where, vip[family], 6);
            await balancing.set(servicesOf(backendNames.filter((name) => name !== gone)));
            const began = clock.now();
            const found = await flows.find({ ip: vip[family], port }, { ip: addressOf(gone, family), port });
            assert.equal(await flows.reset(found, 'all'), 2);
            const what = `${where}, IPv${family}`;
            const ends = await within(1000, `the clients’ ends are reset: ${what}`, peer.take(2));
            assert.deepEqual(ends, Array(2).fill({ ended: 'ECONNRESET', backend: gone }));
            const clients = clock.now() - began;
            await within(1000, `the backend’s ends are reset: ${what}`, resetsOf(lan.servers[gone], 2));
            console.log(
              `  ${what}: ${clients.toFixed(0)} ms, the backend’s ends ${(clock.now() - began).toFixed(0)} ms`,
            );
            peer.child.stdin.write('say\n');
            const living = [...names].filter((name) => name !== gone).sort();
            assert.deepEqual(await within(2000, 'the others answer', peer.take(4)).then(answered), living);
            await peer.stop();
          }
        }
      });
    }

    test('a connection that this host knows nothing of is reset by its next segment', async () => {
      const forgetOnly = createFlows({ rawSend: () => 0 }, clock);
      for (const family of families) {
        await balancing.set(servicesOf(['cp3']));
        const { peer } = await lan.hold('neighbour', vip[family], 2);
        await forgetOnly.reset(await flows.find({ ip: vip[family], port }), 'all');
        peer.child.stdin.write('say\n');
        const ends = await within(1000, 'the clients are reset', peer.take(2));
        assert.deepEqual(ends, Array(2).fill({ ended: 'ECONNRESET', backend: 'cp3' }));
        await peer.stop();
      }
    });

    test('a backend’s host vanishes: its clients are reset within 1 s, however many', async () => {
      for (const family of families) {
        await balancing.set(servicesOf(['cp3']));
        const { peer } = await lan.hold('remote', vip[family], 500);
        lan.hosts.cp3.run('ip', 'link', 'set', 'eth0', 'down');
        await balancing.set(servicesOf(['cp2']));
        const began = clock.now();
        const found = await flows.find({ ip: vip[family], port }, { ip: addressOf('cp3', family), port });
        assert.equal(await flows.reset(found, 'all'), 500);
        const ends = await within(1000, 'the clients are reset', peer.take(500));
        console.log(`  IPv${family}: 500 connections in ${(clock.now() - began).toFixed(0)} ms`);
        assert.deepEqual(ends, Array(500).fill({ ended: 'ECONNRESET', backend: 'cp3' }));
        await peer.stop();
        lan.hosts.cp3.run('ip', 'link', 'set', 'eth0', 'up');
        lan.hosts.cp3.run('ip', '-6', 'addr', 'replace', `${others.cp3[6]}/64`, 'dev', 'eth0', 'nodad');
      }
    });

    test('a client that waits for a blackholed backend gets another one with its next segment', async () => {
      // Nobody has this address: what goes there vanishes.
      run('ip', 'neigh', 'add', '192.0.2.7', 'lladdr', '02:00:00:00:00:07', 'dev', lan.device);
      const [service] = servicesOf(['cp3']);
      assert.ok(service);
      const hole = { name: 'hole', ip: '192.0.2.7' as BalancedBackend['ip'], port, weight: 1, draining: false };
      await balancing.set([{ ...service, backends: [hole] }]);
      const peer = lan.start('remote', 'count', vip[4], port, 1);
      await until(() => run('nft', 'list', 'counters').includes('packets 1 '), { what: 'the client’s first segment' });
      await balancing.set([service]);
      assert.equal(await flows.reset(await flows.find(service, hole), 'opening'), 0);
      assert.deepEqual(((await within(2000, 'the client’s repetition', peer.next())) as Tally).greetings, { cp3: 1 });
      await peer.stop();
    });
  });
});

/** The backends that answered, sorted. */
function answered(values: readonly unknown[]): readonly string[] {
  return values.map((value) => (value as { readonly answered: string }).answered).sort();
}

/** Reads a server's lines until that many of its connections were reset. */
async function resetsOf(server: Peer, count: number): Promise<void> {
  for (let resets = 0; resets < count; ) {
    if (((await server.next()) as { readonly ended: string }).ended === 'ECONNRESET') resets++;
  }
}
