import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { askingAt, startNameServer } from './name-server.js';
import { until } from './poll.js';
import { web, withHost } from './with-host.js';

const name = 'api.example';
const named = { ...web, addresses: [name], dnsInterval: '1s' };
const dual = { ...web, name: 'dual', addresses: ['dual.example'], dnsMode: 'dual', dnsInterval: '1s' };
const isVip = (ip: string) => /^10\.77\.0\.1\d\d$|^fd77::1/.test(ip);

test('a VIP follows its DNS name, and outlives the resolver', () =>
  withHost('follow', async ({ configureVips, start, status, host, client }) => {
    const config = await configureVips([named]);
    const folder = dirname(config);
    const resolver = await startNameServer(client, folder, { [name]: ['10.77.0.100'] });
    const daemon = await start(config, await askingAt(client.ip, folder));
    const held = async () =>
      (await host.addresses())
        .map(({ ip }) => ip)
        .filter(isVip)
        .join();
    const log = () => readFile(daemon.log, 'utf8');
    await until(async () => (await held()) === '10.77.0.100', { what: 'the first address' });
    const [vip] = (await status()).vips;
    assert.deepEqual([vip?.addresses, vip?.names, vip?.role], [['10.77.0.100'], [name], 'leader']);

    await resolver.say({ [name]: ['10.77.0.101'] });
    await until(async () => (await held()) === '10.77.0.101', { what: 'the second address' });
    await until(async () => (await status()).vips[0]?.held, { what: 'the status' });
    assert.deepEqual((await status()).vips[0]?.addresses, ['10.77.0.101']);
    assert.match(await log(), /the VIP moves to other addresses/);

    // The name goes, then the resolver: neither takes the address away, nor moves it.
    const { since } = (await status()).vips[0] ?? {};
    await resolver.say({});
    await until(async () => /the name has no answer.*ENOTFOUND/.test(await log()), { what: 'the name gone' });
    await resolver.end();
    await until(async () => /the name has no answer.*EAI_AGAIN/.test(await log()), { what: 'the resolver gone' });
    assert.equal(await held(), '10.77.0.101');
    assert.deepEqual([(await status()).vips[0]?.since, (await status()).vips[0]?.held], [since, true]);

    const again = await startNameServer(client, folder, { [name]: ['10.77.0.102'] });
    await until(async () => (await held()) === '10.77.0.102', { what: 'the third address' });
    // What cannot be a VIP is not one, whatever the name says: the host itself.
    await again.say({ [name]: [host.ip] });
    await until(async () => (await log()).includes("10.77.0.11 is this host's own address"), { what: 'the refusal' });
    assert.equal(await held(), '10.77.0.102');
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    assert.equal(await held(), '');
  }));

test('a resolver that is dead at the start keeps nobody waiting but the VIP with the name', () =>
  withHost('dead', async ({ configureVips, start, status, host, client }) => {
    const written = { ...web, name: 'written', addresses: ['written.example'] };
    const config = await configureVips([{ ...web, name: 'other', addresses: ['10.77.0.110'] }, named, dual, written]);
    const folder = dirname(config);
    await host.run('ip', ['address', 'add', 'fd77::11/64', 'dev', 'eth0']);
    const daemon = await start(config, await askingAt(client.ip, folder));
    const [other, vip] = await until(
      async () => {
        const { vips } = await status();
        return vips[0]?.held && vips[1]?.because === 'waiting-for-name' ? vips : undefined;
      },
      { what: 'the other VIP held' },
    );
    assert.deepEqual([other?.held, vip?.role, vip?.addresses, vip?.names], [true, 'fault', [], [name]]);
    // /etc/hosts needs no resolver.
    await until(async () => (await status()).vips[3]?.held, { what: 'the name of /etc/hosts' });
    assert.deepEqual((await status()).vips[3]?.addresses, ['10.77.0.103']);
    const since = (await status()).vips[0]?.since;
    await startNameServer(client, folder, {
      [name]: ['10.77.0.100'],
      'dual.example': ['fd77::105', '10.77.0.105', '10.77.0.106'],
    });
    await until(async () => (await status()).vips.every(({ held }) => held), { what: 'all held' });
    const { vips } = await status();
    assert.deepEqual([vips[1]?.addresses, vips[2]?.addresses], [['10.77.0.100'], ['10.77.0.105', 'fd77::105']]);
    assert.equal(vips[0]?.since, since);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  }));
