import assert from 'node:assert/strict';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import { networkContract } from '../contract/network.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock, until } from './poll.js';

let interfaces = 0;

inOwnNamespace(import.meta.filename, () => {
  networkContract('rtnetlink', async () => {
    const name = `veth${++interfaces}`;
    const other = `peer${interfaces}`;
    run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', other);
    for (const link of [name, other]) run('ip', 'link', 'set', link, 'up');
    const network = createNetwork(loadAddon(), clock);
    const link = (await network.links()).find((entry) => entry.name === name);
    assert.ok(link?.mac !== undefined);
    return {
      network,
      link,
      deleteAddress: async ({ ip, prefixLength }) =>
        void run('ip', 'addr', 'del', `${ip}/${prefixLength}`, 'dev', name),
      setUp: async (up) => void run('ip', 'link', 'set', name, up ? 'up' : 'down'),
      async setDefaultRoutes(family) {
        const add = (...route: readonly string[]) => run('ip', `-${family}`, 'route', 'add', 'default', ...route);
        add('dev', other, 'metric', '200');
        add('dev', name, 'metric', '100');
        add('dev', other, 'metric', '300');
        add('dev', other, 'metric', '1', 'table', '77');
        run('ip', `-${family}`, 'route', 'add', 'blackhole', 'default', 'metric', '5');
      },
      removeLink: async () => void run('ip', 'link', 'delete', name),
      until: (condition, what) => until(condition, { within: 3000, every: 5, what }),
      async [Symbol.asyncDispose]() {
        if ((await network.links()).some((entry) => entry.name === name)) run('ip', 'link', 'delete', name);
      },
    };
  });
});
