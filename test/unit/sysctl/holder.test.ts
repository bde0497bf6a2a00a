import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { KernelError } from '../../../src/kernel/errors.js';
import { createHostSettings } from '../../../src/sysctl/holder.js';
import { settingsFor } from '../../../src/sysctl/needs.js';
import type { Log } from '../../../src/telemetry/log.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createFakeSysctlMemory, createFakeSysctls } from '../../fakes/sysctls.js';

const fresh = {
  'net/ipv4/vs/conntrack': '0',
  'net/ipv4/vs/expire_nodest_conn': '0',
  'net/ipv4/vs/conn_reuse_mode': '1',
  'net/ipv4/ip_forward': '0',
  'net/ipv6/conf/all/forwarding': '0',
  'net/ipv6/conf/default/forwarding': '0',
  'net/ipv6/conf/all/accept_ra': '1',
  'net/ipv6/conf/eth0/accept_ra': '1',
  'net/ipv6/conf/eth1/accept_ra': '0',
};
const ready4 = {
  ...fresh,
  'net/ipv4/vs/conntrack': '1',
  'net/ipv4/vs/expire_nodest_conn': '1',
  'net/ipv4/ip_forward': '1',
};

function createHost(values: Readonly<Record<string, string>> = fresh, release = '6.1.0-56-amd64') {
  const sysctls = createFakeSysctls(values);
  const memory = createFakeSysctlMemory();
  const clock = createFakeClock();
  const lines: string[] = [];
  const write = (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    void lines.push([message, fields.setting, fields.from, fields.to].filter((part) => part !== undefined).join(' '));
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const start = () => createHostSettings({ sysctls, memory, release, clock, log });
  return { sysctls, memory, clock, lines, start, now: () => Object.fromEntries(sysctls.values) };
}

test('what a hold changes is told, and back after the last one', async () => {
  const host = createHost();
  const settings = host.start();
  const first = await settings.hold('ipvs', 4);
  const second = await settings.hold('ipvs', 4);
  assert.deepEqual(host.now(), ready4);
  assert.deepEqual(host.lines, [
    'kernel setting net/ipv4/vs/conntrack 0 1',
    'kernel setting net/ipv4/vs/expire_nodest_conn 0 1',
    'kernel setting net/ipv4/ip_forward 0 1',
  ]);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  assert.deepEqual(host.now(), ready4);
  await second[Symbol.asyncDispose]();
  assert.deepEqual(host.now(), fresh);
  assert.deepEqual(host.lines.slice(3), [
    'kernel setting net/ipv4/ip_forward 1 0',
    'kernel setting net/ipv4/vs/expire_nodest_conn 1 0',
    'kernel setting net/ipv4/vs/conntrack 1 0',
  ]);
  assert.deepEqual(host.memory.kept, []);
});

test('a host that begins to forward IPv6 keeps its routes from router advertisements', async () => {
  const host = createHost();
  await using _hold = await host.start().hold('ipvs', 6);
  assert.deepEqual(host.now(), {
    ...ready4,
    'net/ipv4/ip_forward': '0',
    'net/ipv6/conf/all/forwarding': '1',
    'net/ipv6/conf/default/forwarding': '1',
    'net/ipv6/conf/eth0/accept_ra': '2',
  });
  const before = (name: string) => host.lines.findIndex((line) => line.includes(name));
  assert.ok(before('eth0/accept_ra') < before('forwarding'));
});

test('a host that forwards already keeps its settings for router advertisements', async () => {
  const host = createHost({ ...fresh, 'net/ipv6/conf/all/forwarding': '1' });
  await using _hold = await host.start().hold('ipvs', 6);
  assert.equal(host.now()['net/ipv6/conf/eth0/accept_ra'], '1');
});

test('old kernels do not schedule a port used again', () => {
  const mode = (release: string) =>
    settingsFor('ipvs', 4, { release, interfaces: [] }).find(({ name }) => name.endsWith('conn_reuse_mode'))?.value;
  const releases = [
    '6.1.0-56-amd64',
    '5.10.0',
    '5.9.16',
    '5.8.18',
    '5.4.0-150-generic',
    '4.19.0',
    '3.10.0-1160.el7',
    '?',
  ];
  assert.deepEqual(releases.map(mode), ['1', '1', '1', '0', '0', '0', '0', '0']);
});

test('what a killed daemon changed goes back at the next start', async () => {
  const host = createHost();
  await host.start().hold('ipvs', 4);
  const next = host.start();
  await next.restoreLeftovers();
  assert.deepEqual(host.now(), fresh);
  await (await next.hold('ipvs', 4))[Symbol.asyncDispose]();
  assert.deepEqual([host.now(), host.memory.kept], [fresh, []]);
});

test('a crash between the memory and the deed loses nothing', async () => {
  const host = createHost();
  host.memory.kept = [{ name: 'net/ipv4/ip_forward', before: '0', value: '1' }];
  await host.start().restoreLeftovers();
  assert.deepEqual([host.now(), host.lines], [fresh, []]);
});

test('what somebody else changed meanwhile stays', async () => {
  const host = createHost();
  const hold = await host.start().hold('ipvs', 4);
  host.sysctls.values.set('net/ipv4/vs/conntrack', '2');
  await hold[Symbol.asyncDispose]();
  assert.deepEqual(host.now(), { ...fresh, 'net/ipv4/vs/conntrack': '2' });
});

test('a necessary setting that cannot be made is refused by name, and nothing stays changed', async () => {
  const host = createHost();
  host.sysctls.readOnly = /ip_forward/;
  const settings = host.start();
  const refusal = await settings.hold('ipvs', 4).catch((error: KernelError) => error);
  assert.equal((refusal as KernelError).message, 'set net/ipv4/ip_forward to 1: EROFS');
  assert.deepEqual([host.now(), host.memory.kept], [fresh, []]);
  host.sysctls.readOnly = undefined;
  await using _hold = await settings.hold('ipvs', 4);
  assert.deepEqual(host.now(), ready4);
});

test('a kernel whose IPVS tracks no connections is refused', async () => {
  const { 'net/ipv4/vs/conntrack': _, ...without } = fresh;
  await assert.rejects(createHost(without).start().hold('ipvs', 4), {
    code: 'ENOENT',
    message: 'read net/ipv4/vs/conntrack: ENOENT',
  });
});

test('settings that are right need not be written', async () => {
  const host = createHost(ready4);
  host.sysctls.readOnly = /./;
  await using _hold = await host.start().hold('ipvs', 4);
  assert.deepEqual(host.lines, []);
});

test('a setting that only helps, and a memory that is full, stop nothing', async () => {
  const host = createHost();
  host.sysctls.readOnly = /expire_nodest_conn/;
  host.memory.full = true;
  const hold = await host.start().hold('ipvs', 4);
  assert.deepEqual(host.now(), { ...ready4, 'net/ipv4/vs/expire_nodest_conn': '0' });
  assert.ok(host.lines.includes('kernel setting not made net/ipv4/vs/expire_nodest_conn 1'));
  await hold[Symbol.asyncDispose]();
  assert.deepEqual(host.now(), fresh);
});

test('nftables needs no more than forwarding', async () => {
  const host = createHost();
  await using _hold = await host.start().hold('nftables', 4);
  assert.deepEqual(host.now(), { ...fresh, 'net/ipv4/ip_forward': '1' });
});

test('a probe says what could not be set, and changes nothing', async () => {
  const host = createHost();
  const settings = host.start();
  await settings.probe('ipvs', 4);
  host.sysctls.readOnly = /expire_nodest_conn/;
  await settings.probe('ipvs', 4);
  host.sysctls.readOnly = /ip_forward/;
  await settings.probe('ipvs', 6);
  await assert.rejects(settings.probe('ipvs', 4), { code: 'EROFS' });
  await assert.rejects(settings.probe('nftables', 4), { code: 'EROFS' });
  host.sysctls.values.set('net/ipv4/ip_forward', '1');
  await settings.probe('nftables', 4);
  assert.deepEqual([host.now(), host.lines], [{ ...fresh, 'net/ipv4/ip_forward': '1' }, []]);
});

/** As vipd finds hosts that somebody has hardened, or that forward on some interfaces only. */
const hardened = {
  ...fresh,
  'net/ipv4/conf/all/accept_redirects': '0',
  'net/ipv4/conf/all/forwarding': '0',
  'net/ipv4/conf/eth0/forwarding': '1',
  'net/ipv4/conf/eth1/forwarding': '0',
  'net/ipv6/conf/eth0/forwarding': '1',
  'net/ipv6/conf/eth1/forwarding': '0',
};

test('what the kernel rewrites with the switch for all interfaces is as it was, also after a kill or a crash in between', async () => {
  const host = createHost(hardened);
  const settings = host.start();
  const holds = [await settings.hold('nftables', 4), await settings.hold('nftables', 6)];
  const held = host.now();
  assert.deepEqual(
    ['4/conf/all/accept_redirects', '4/conf/eth1/forwarding', '6/conf/eth1/forwarding', '6/conf/eth0/accept_ra'].map(
      (name) => held[`net/ipv${name}`],
    ),
    ['0', '1', '1', '1'],
  );
  const kept = host.memory.kept;
  for (const hold of holds) await hold[Symbol.asyncDispose]();
  assert.deepEqual([host.now(), host.memory.kept], [hardened, []]);

  for (const stop of ['killed', 'switch written']) {
    for (const [name, value] of Object.entries(held)) host.sysctls.values.set(name, value);
    if (stop === 'switch written') await host.sysctls.write('net/ipv4/ip_forward', '0');
    host.memory.kept = kept;
    await host.start().restoreLeftovers();
    assert.deepEqual([host.now(), host.memory.kept], [hardened, []], stop);
  }
});

test('a probe leaves interfaces as they are that forward on their own', async () => {
  const host = createHost(hardened);
  const settings = host.start();
  await settings.probe('nftables', 4);
  await settings.probe('nftables', 6);
  assert.deepEqual(host.now(), hardened);
  host.sysctls.readOnly = /ipv6/;
  await assert.rejects(settings.probe('nftables', 6), { code: 'EROFS' });
});

test('what somebody made of an interface while it was held stays', async () => {
  const host = createHost(hardened);
  const hold = await host.start().hold('nftables', 4);
  await host.sysctls.write('net/ipv4/conf/eth0/forwarding', '0');
  await hold[Symbol.asyncDispose]();
  assert.deepEqual(host.now(), { ...hardened, 'net/ipv4/conf/eth0/forwarding': '0' });
});

test('what is held and changed by somebody else is made anew with one line, and goes back as it was', async () => {
  const host = createHost(hardened);
  const settings = host.start();
  const hold = await settings.hold('nftables', 4);
  const held = host.now();
  const before = host.lines.length;
  await host.sysctls.write('net/ipv4/ip_forward', '0');
  for (let looks = 0; looks < 3; looks++) {
    host.clock.advance(1000);
    await setImmediate();
  }
  assert.deepEqual(host.now(), held);
  assert.deepEqual(host.lines.slice(before), ['kernel setting mended net/ipv4/ip_forward 0 1']);
  await hold[Symbol.asyncDispose]();
  assert.deepEqual([host.now(), settings.trouble()], [hardened, undefined]);
  await host.sysctls.write('net/ipv4/ip_forward', '1');
  host.clock.advance(5000);
  await setImmediate();
  await host.sysctls.write('net/ipv4/ip_forward', '0');
  host.clock.advance(5000);
  await setImmediate();
  assert.equal(host.now()['net/ipv4/ip_forward'], '0');
});

test('what is held and cannot be made anew is a trouble, told once, until it can', async () => {
  const host = createHost();
  const settings = host.start();
  await using _hold = await settings.hold('ipvs', 4);
  const before = host.lines.length;
  host.sysctls.values.set('net/ipv4/ip_forward', '0');
  host.sysctls.readOnly = /./;
  for (let looks = 0; looks < 3; looks++) {
    host.clock.advance(1000);
    await setImmediate();
  }
  assert.equal(settings.trouble(), 'set net/ipv4/ip_forward to 1: EROFS');
  assert.deepEqual(host.lines.slice(before), ['kernel setting changed by somebody else net/ipv4/ip_forward']);
  host.sysctls.readOnly = undefined;
  host.clock.advance(1000);
  await setImmediate();
  assert.deepEqual([settings.trouble(), host.now()], [undefined, ready4]);
});

test('what cannot be given back stays remembered, and is given back when it can be', async () => {
  const host = createHost(hardened);
  const hold = await host.start().hold('nftables', 4);
  host.sysctls.readOnly = /ip_forward/;
  await hold[Symbol.asyncDispose]();
  assert.deepEqual(
    host.memory.kept.map(({ name }) => name),
    ['net/ipv4/conf/all/accept_redirects', 'net/ipv4/conf/eth0/forwarding', 'net/ipv4/ip_forward'],
  );
  host.sysctls.readOnly = undefined;
  host.clock.advance(1000);
  await setImmediate();
  assert.deepEqual([host.now(), host.memory.kept], [hardened, []]);
});
