import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createIpvsDriver } from '../../../src/ipvs/driver.js';
import type { WantedService } from '../../../src/ipvs/plan.js';
import { KernelError } from '../../../src/kernel/errors.js';
import type { Flow, IpvsDestination } from '../../../src/kernel/ports.js';
import type { Family, Ip } from '../../../src/net/ip.js';
import { createHostSettings } from '../../../src/sysctl/holder.js';
import type { Log } from '../../../src/telemetry/log.js';
import { millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeFlows } from '../../fakes/flows.js';
import { createFakeIpvs, noCounters } from '../../fakes/ipvs.js';
import { createFakeMasquerade } from '../../fakes/masquerade.js';
import { createFakeSysctlMemory, createFakeSysctls } from '../../fakes/sysctls.js';

const vip = { ip: '192.0.2.100' as Ip, port: 6443 };
const cp1: IpvsDestination = { ip: '192.0.2.1' as Ip, port: 6443, weight: 1 };
const cp2: IpvsDestination = { ...cp1, ip: '192.0.2.2' as Ip };
const fresh = {
  'net/ipv4/vs/conntrack': '0',
  'net/ipv4/vs/expire_nodest_conn': '0',
  'net/ipv4/vs/conn_reuse_mode': '1',
  'net/ipv4/ip_forward': '0',
};
const service = (...destinations: readonly IpvsDestination[]): WantedService => ({
  ...vip,
  scheduler: 'rr',
  destinations,
});

function createHost() {
  const clock = createFakeClock();
  const ipvs = createFakeIpvs();
  const masquerade = createFakeMasquerade();
  const sysctls = createFakeSysctls(fresh);
  const flows = createFakeFlows();
  const troubles: string[] = [];
  const tell = (message: string) => void troubles.push(message);
  const log: Log = { debug() {}, info() {}, warn: tell, error: tell };
  const host = createHostSettings({ sysctls, memory: createFakeSysctlMemory(), release: '6.1.0', clock, log });
  const settings = { hold: (family: Family) => host.hold('ipvs', family) };
  const driver = createIpvsDriver({ ipvs, masquerade, flows, settings, lookInterval: millis(2000), clock, log });
  return {
    ...{ clock, ipvs, masquerade, flows, sysctls, troubles, driver },
    backends: () => ipvs.table.map(({ destinations }) => destinations.map(({ ip }) => ip).sort()),
    settings: () => Object.fromEntries(sysctls.values),
  };
}

test('nothing is programmed before the path opens, and nothing is left when it has closed', async () => {
  const host = createHost();
  await host.driver.set([service(cp1, cp2)]);
  assert.deepEqual([host.ipvs.table, host.masquerade.services, host.settings()], [[], [], fresh]);
  await host.driver.open();
  assert.deepEqual(host.backends(), [[cp1.ip, cp2.ip]]);
  assert.deepEqual(host.masquerade.services, [{ ...vip, refuses: false }]);
  assert.equal(host.settings()['net/ipv4/vs/conntrack'], '1');
  await host.driver.close();
  assert.deepEqual([host.ipvs.table, host.masquerade.services, host.settings()], [[], [], fresh]);
  assert.deepEqual(host.troubles, []);
});

test('settings and masquerade come before services', async () => {
  const host = createHost();
  await host.driver.set([service(cp1)]);
  const apply = host.ipvs.apply;
  host.ipvs.apply = async (commands) => {
    assert.deepEqual([host.masquerade.services.length, host.settings()['net/ipv4/ip_forward']], [1, '1']);
    await apply(commands);
  };
  await host.driver.open();
  assert.deepEqual(host.backends(), [[cp1.ip]]);
});

test('changes of the backends are programmed in place', async () => {
  const host = createHost();
  await host.driver.set([service(cp1)]);
  await host.driver.open();
  const before = host.ipvs.commands.length;
  await host.driver.set([service(cp2)]);
  assert.deepEqual(
    host.ipvs.commands.slice(before).map(({ kind }) => kind),
    ['add-destination', 'update-destination', 'remove-destination'],
  );
  const changed = [{ ...service(cp2), port: 9345 }];
  await host.driver.set(changed);
  assert.deepEqual(
    (await host.driver.read()).map(({ port }) => port),
    [9345],
  );
  assert.deepEqual(host.masquerade.services, [{ ...vip, port: 9345, refuses: false }]);
});

test('what an earlier life left is removed before the path opens; other services stay', async () => {
  const host = createHost();
  const rest = { plain: true, counters: noCounters, scheduler: 'rr', destinations: [] };
  const foreign = { ...rest, ip: '10.96.0.1' as Ip, port: 443 };
  host.ipvs.table = [{ ...vip, ...rest }, foreign];
  await host.driver.set([service(cp1)]);
  assert.deepEqual(host.ipvs.table, [foreign]);
  await host.driver.open();
  await host.driver.close();
  assert.deepEqual(host.ipvs.table, [foreign]);
});

test('reset leaves services without backends, so that clients are refused', async () => {
  const host = createHost();
  await host.driver.set([service(cp1, cp2)]);
  await host.driver.open();
  host.driver.reset();
  await host.driver.close();
  assert.deepEqual(
    host.ipvs.commands.slice(-3).map(({ kind }) => kind),
    ['remove-destination', 'remove-destination', 'remove-service'],
  );
});

test('connections of a backend that goes are found while they can be, and reset when it is gone; others stay', async () => {
  const host = createHost();
  const flow = (backend: IpvsDestination, phase: Flow['phase']): Flow => {
    const client = { ip: '198.51.100.9' as Ip, port: 40_000 };
    return { client, service: vip, backend, answersTo: client, phase, identity: Uint8Array.of(1) };
  };
  const [first, second, third] = [flow(cp1, 'open'), flow(cp2, 'open'), flow(cp2, 'opening')];
  host.flows.present.push(first, second, third);
  await host.driver.set([service(cp1, cp2)]);
  await host.driver.open();
  const reset = host.flows.reset;
  host.flows.reset = async (flows, which) => {
    assert.deepEqual(host.backends(), [[cp1.ip]]);
    return await reset(flows, which);
  };
  await host.driver.set([service(cp1)]);
  assert.deepEqual([host.flows.wereReset, host.flows.present], [[second], [first]]);
});

test('connections that cannot be found keep no backend', async () => {
  const host = createHost();
  host.flows.find = async () => {
    throw new KernelError('list connections', 'ENOENT');
  };
  await host.driver.set([service(cp1, cp2)]);
  await host.driver.open();
  await host.driver.set([service(cp1)]);
  assert.deepEqual(host.backends(), [[cp1.ip]]);
  assert.deepEqual(host.troubles, ['idle connections of removed backends are not reset']);
});

test('what others did to our services is mended at the next look, until the path closes', async () => {
  const host = createHost();
  await host.driver.set([service(cp1, cp2)]);
  await host.driver.open();
  for (let times = 0; times < 2; times++) {
    host.ipvs.table = [];
    host.clock.advance(2000);
    await setImmediate();
    assert.deepEqual(host.backends(), [[cp1.ip, cp2.ip]]);
  }
  assert.deepEqual(host.troubles, ['IPVS services mended', 'IPVS services mended']);
  host.clock.advance(2000);
  await setImmediate();
  await host.driver.close();
  host.clock.advance(10_000);
  await setImmediate();
  assert.deepEqual([host.ipvs.table, host.troubles.length], [[], 2]);
});

test('what the path could not have at first is tried again', async () => {
  const host = createHost();
  host.masquerade.refusal = 'EPERM';
  await host.driver.set([service(cp1)]);
  await host.driver.open();
  host.masquerade.refusal = undefined;
  host.clock.advance(2000);
  await setImmediate();
  assert.deepEqual(
    [host.masquerade.services, host.troubles],
    [[{ ...vip, refuses: false }], ['IPVS services are not masqueraded']],
  );
});

test('what cannot be done is said, and the rest is done', async () => {
  const host = createHost();
  host.masquerade.refusal = 'ENOENT';
  await host.driver.set([service(cp1)]);
  await host.driver.open();
  assert.deepEqual(host.backends(), [[cp1.ip]]);
  host.ipvs.refusal = 'no-ip-vs';
  await host.driver.close();
  host.ipvs.refusal = undefined;
  assert.deepEqual(host.troubles, [
    'IPVS services are not masqueraded',
    'IPVS services not removed',
    'masquerade not removed',
  ]);
  host.clock.advance(2000);
  for (let i = 0; i < 50; i++) await setImmediate();
  assert.deepEqual([host.ipvs.table, host.settings()], [[], fresh]);
});

test('what cannot be removed at the end is tried again, with the settings in place as long', async () => {
  const host = createHost();
  await host.driver.set([service(cp1)]);
  await host.driver.open();
  const apply = host.ipvs.apply;
  host.ipvs.apply = async () => {
    throw new KernelError('remove service', 'ENOBUFS');
  };
  await host.driver.close();
  assert.deepEqual([host.backends(), host.settings()['net/ipv4/ip_forward']], [[[cp1.ip]], '1']);
  assert.match(host.driver.trouble() ?? '', /ENOBUFS/);
  host.ipvs.apply = apply;
  host.clock.advance(2000);
  for (let i = 0; i < 50; i++) await setImmediate();
  assert.deepEqual([host.ipvs.table, host.masquerade.services, host.settings()], [[], [], fresh]);
  assert.equal(host.driver.trouble(), undefined);
});

test('what could not be removed is no trouble any more once the path is open again', async () => {
  const host = createHost();
  await host.driver.set([service(cp1)]);
  await host.driver.open();
  const apply = host.ipvs.apply;
  host.ipvs.apply = async () => {
    throw new KernelError('remove service', 'ENOBUFS');
  };
  await host.driver.close();
  host.ipvs.apply = apply;
  await host.driver.open();
  assert.deepEqual([host.backends(), host.driver.trouble()], [[[cp1.ip]], undefined]);
});
