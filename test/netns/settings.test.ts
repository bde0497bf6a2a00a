import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readHostState } from './host-state.js';
import { until } from './poll.js';
import { ask, type Place, serve, vip, web, withHost } from './with-host.js';

// The kernel settings of a host that somebody has made before vipd, or makes while it serves.

const backend = '10.77.0.50:9001';

/** Two address families, neither of which the host forwards but on one interface, and no redirects. */
async function prepare({ host, client, configureVips }: Place): Promise<string> {
  await host.run('ip', ['address', 'add', '2001:db8::11/64', 'dev', 'eth0', 'nodad']);
  await host.run('sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
  await host.run('sysctl', [
    '-qw',
    ...['net.ipv4.conf.all.accept_redirects=0', 'net.ipv4.conf.eth0.forwarding=1'],
    ...['net.ipv6.conf.eth0.forwarding=1', 'net.ipv6.conf.lo.forwarding=1'],
  ]);
  await serve(client, '0.0.0.0', 9001, 'a');
  const backends = { from: 'static', servers: [{ name: 'a', address: backend }] };
  const loadBalancer = { mode: 'nftables', ports: [8080], backends };
  return configureVips([{ ...web, addresses: [vip, '2001:db8::100'], loadBalancer }]);
}

test('what the kernel rewrites beside a setting is as it was when vipd has ended, also when it was killed', () =>
  withHost('rewritten', async (place) => {
    const { host, start, status } = place;
    const config = await prepare(place);
    const before = await readHostState(host);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const daemon = await start(config);
      const forward = ['net.ipv4.ip_forward = 1', 'net.ipv6.conf.all.forwarding = 1'];
      await until(async () => (await status()).vips[0]?.held, { what: 'the VIP' });
      const { settings } = await until(
        async () => {
          const state = await readHostState(host);
          return forward.every((line) => state.settings.includes(line)) && state;
        },
        { what: 'forwarding' },
      );
      assert.ok(settings.includes('net.ipv4.conf.all.accept_redirects = 0'));
      daemon.signal(signal);
      await daemon.ended;
      if (signal === 'SIGTERM') assert.deepEqual(await readHostState(host), before);
    }
    const next = await start(config);
    await until(async () => (await status()).vips[0]?.held, { what: 'the VIP' });
    next.signal('SIGTERM');
    await next.ended;
    assert.match(await readFile(next.log, 'utf8'), /kernel setting.*leftover/);
    assert.deepEqual(await readHostState(host), before);
  }));

test('a setting that somebody else changes while vipd serves is made anew, with one line in the log', () =>
  withHost('mended', async (place) => {
    const { host, client, start, status } = place;
    const config = await prepare(place);
    const before = await readHostState(host);
    const daemon = await start(config);
    await until(async () => (await status()).vips[0]?.loadBalancer.backends.every((b) => b.state === 'up'), {
      what: 'the backend',
    });
    assert.equal(await ask(client, 8080), 'a');
    const held = (await readHostState(host)).settings;
    await host.run('sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
    await until(async () => (await readHostState(host)).settings.join() === held.join(), {
      what: 'settings as they were',
    });
    assert.equal(await ask(client, 8080), 'a');
    const mended = (await readFile(daemon.log, 'utf8')).split('\n').filter((line) => line.includes('setting mended'));
    assert.equal(mended.length, 2, mended.join('\n'));
    daemon.signal('SIGTERM');
    await daemon.ended;
    assert.deepEqual(await readHostState(host), before);
  }));
