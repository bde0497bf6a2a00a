import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createFlows } from '../../src/kernel/linux/flow-reset.js';
import { createNftBalancing } from '../../src/kernel/linux/nft-balancing.js';
import { flowsContract } from '../contract/flows.js';
import { balancingContract } from '../contract/nft-balancing.js';
import {
  addressOf,
  type BackendName,
  type BalancingHosts,
  backendNames,
  createBalancingHosts,
  families,
  type Peer,
  port,
  vip,
  within,
} from './balancing-hosts.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock, until } from './poll.js';

inOwnNamespace(import.meta.filename, () => {
  describe('balancing in this kernel', () => {
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

    balancingContract('nftables', () => ({
      balancing,
      vip: { ip: vip[4], port },
      backends: backendNames.map((name) => ({ ip: addressOf(name, 4), port })),
      async connect() {
        const { greetings, failures } = await lan.count('neighbour', vip[4], 1);
        const [name] = Object.keys(greetings);
        if (name === undefined)
          return Object.keys(failures)[0] === 'ECONNREFUSED' ? 'refused' : JSON.stringify(failures);
        return String(backendNames.indexOf(name as BackendName));
      },
      hasTable: () => run('nft', 'list', 'tables').includes('vipd-balancing'),
      [Symbol.asyncDispose]: () => balancing.set([]),
    }));

    flowsContract('conntrack', async () => {
      const service = { ip: vip[6], port };
      const clients = new Map<string, { readonly peer: Peer; readonly count: number }>();
      await flows.reset(await flows.find(service), 'all');
      return {
        flows,
        service,
        backends: [
          { ip: addressOf('cp2', 6), port },
          { ip: addressOf('cp3', 6), port },
        ],
        async connect(backend, connections, phase) {
          const drained = families.flatMap((family) =>
            backendNames.map((name) => ({ name, ip: addressOf(name, family), port, weight: 1, draining: true })),
          );
          const only = drained.map((b) => ({ ...b, draining: b.ip !== backend.ip }));
          if (phase === 'opening')
            lan.hosts.cp3.run(
              'nft',
              'table inet hole { chain in { type filter hook input priority 0; tcp dport 6443 drop; }; }',
            );
          await balancing.set([{ ...service, scheduler: 'roundrobin', backends: only }]);
          const peer = lan.start('neighbour', 'hold', service.ip, port, connections);
          if (phase === 'opening')
            await until(async () => (await balancing.stats()).some(({ total }) => total === connections), {
              what: 'first segments',
            });
          else await peer.next();
          clients.set(backend.ip, { peer, count: connections });
          await balancing.set([{ ...service, scheduler: 'roundrobin', backends: drained }]);
        },
        async resets(backend, expected) {
          const client = clients.get(backend.ip);
          assert.ok(client);
          return (await within(1000, 'resets', client.peer.take(expected))).length;
        },
        async [Symbol.asyncDispose]() {
          for (const { peer } of clients.values()) await peer.stop();
          lan.hosts.cp3.run('nft', 'flush', 'ruleset');
          await balancing.set([]);
        },
      };
    });
  });
});
