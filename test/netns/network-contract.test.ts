import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { networkContract } from '../contract/network.js';
import { inOwnNamespace, run } from './network-namespace.js';
import { clock, until } from './poll.js';

let interfaces = 0;

inOwnNamespace(import.meta.filename, () => {
  test('an address is on or off when the call returns, also at once after another one was answered', async () => {
    const network = createNetwork(loadAddon(), clock);
    run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'd1');
    for (const name of ['d0', 'd1']) run('ip', 'link', 'set', name, 'up');
    const link = (await network.links()).find((entry) => entry.name === 'd0');
    assert.ok(link !== undefined);
    const address = { ip: '10.0.0.1' as Ip, prefixLength: 32, link: link.index };
    const isOn = () => networkInterfaces().d0?.some((entry) => entry.address === address.ip) ?? false;
    for (let i = 0; i < 20; i++) {
      const put = network.putAddress({ ...address, lifetime: millis(60_000) });
      assert.ok(isOn());
      await put;
      const removed = network.removeAddress(address);
      assert.ok(!isOn());
      await removed;
    }
  });

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
