import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpvsDriver } from '../../../src/ipvs/driver.js';
import type { WantedService } from '../../../src/ipvs/plan.js';
import { createIpvsPlane } from '../../../src/ipvs/plane.js';
import type { Ip } from '../../../src/net/ip.js';
import { millis } from '../../../src/time/instant.js';
import type { PlaneConfig } from '../../../src/vip/data-plane.js';
import { silentLog } from '../../fakes/log.js';

const config: PlaneConfig = {
  ports: [6443],
  scheduler: 'roundrobin',
  weighted: false,
  proxyProtocol: 'off',
  connectTimeout: millis(1000),
};

test('weights are those of the destinations, under a scheduler that goes by them; who drains has 0', async () => {
  let wanted: readonly WantedService[] = [];
  const nothing = async () => {};
  const driver: IpvsDriver = {
    async set(services) {
      wanted = services;
    },
    ...{ open: nothing, reset: nothing, close: nothing, settled: nothing },
    read: async () => [],
    trouble: () => undefined,
  };
  const plane = createIpvsPlane({ ips: ['192.0.2.100' as Ip], config, driver, log: silentLog });
  const backend = (number: number, weight: number, draining = false) => ({
    ...{ name: `cp${number}`, ip: `192.0.2.${number}` as Ip, port: 6443, weight, draining },
  });
  const words = () => wanted.map((s) => `${s.scheduler} ${s.destinations.map(({ weight }) => weight).join(' ')}`);
  plane.setBackends([backend(1, 1), backend(2, 1)]);
  await plane.open();
  assert.deepEqual(words(), ['rr 1 1']);
  plane.change({ ...config, weighted: true });
  plane.setBackends([backend(1, 3), backend(2, 1), backend(3, 256, true)]);
  assert.deepEqual(words(), ['wrr 3 1 0']);
  // While the others are down, too: the scheduler is that of the configuration.
  plane.setBackends([backend(2, 1)]);
  assert.deepEqual(words(), ['wrr 1']);
  plane.change({ ...config, weighted: true, scheduler: 'leastconn' });
  assert.deepEqual(words(), ['wlc 1']);
  plane.change({ ...config, scheduler: 'leastconn' });
  assert.deepEqual(words(), ['lc 1']);
});
