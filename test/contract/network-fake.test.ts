import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { Link } from '../../src/kernel/ports.js';
import { parseMac } from '../../src/net/mac.js';
import { createFakeClock } from '../fakes/clock.js';
import { createFakeNetwork } from '../fakes/network.js';
import { networkContract } from './network.js';

const link: Link = { index: 2, name: 'eth0', mac: parseMac('02:00:00:00:00:01'), up: true };

networkContract('in memory', async () => {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock, [link]);
  return {
    network,
    link,
    deleteAddress: async (address) => network.deleteAddress(address.ip, address.link),
    setUp: async (up) => network.setLink({ ...link, up }),
    setDefaultRoutes: async (family) => network.setDefaultRoute(family, link.index),
    removeLink: async () => network.removeLink(link.index),
    async until(condition, what) {
      for (let passed = 0; ; passed += 10) {
        await setImmediate();
        if (condition()) return;
        assert.ok(passed < 3000, `not within 3 s: ${what}`);
        clock.advance(10);
      }
    },
    async [Symbol.asyncDispose]() {},
  };
});
