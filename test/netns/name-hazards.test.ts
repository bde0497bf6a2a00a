import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { askingAt, startNameServer } from './name-server.js';
import { until } from './poll.js';
import { web, withHost } from './with-host.js';

const name = 'api.example';
const named = { ...web, addresses: [name], dnsInterval: '1s' };

test('a name takes no address of the host away, alone or on another interface', () =>
  withHost('strip', async ({ configureVips, start, status, host, client }) => {
    // As a cloud machine has its own, and kube-proxy those of Services.
    await host.run('ip', ['address', 'add', '10.77.0.12/32', 'dev', 'eth0']);
    await host.run('ip', ['link', 'add', 'services', 'type', 'veth', 'peer', 'name', 'other']);
    await host.run('ip', ['address', 'add', '10.96.0.1/32', 'dev', 'services']);
    await host.run('ip', ['address', 'add', '10.77.0.13/32', 'dev', 'lo', 'preferred_lft', '0']);
    const config = await configureVips([{ ...named, interface: 'eth0' }]);
    const resolver = await startNameServer(client, dirname(config), { [name]: ['10.77.0.12'] });
    const daemon = await start(config, await askingAt(client.ip, dirname(config)));
    const own = ['10.77.0.12', '10.96.0.1', '10.77.0.13'];
    for (const ip of own) {
      await resolver.say({ [name]: [ip] });
      await until(
        async () => (await readFile(daemon.log, 'utf8')).includes(`${ip} is this host's own address (${ip}/32)`),
        {
          what: `the refusal of ${ip}`,
        },
      );
      assert.equal((await status()).vips[0]?.because, 'unfit-address');
    }
    const present = (await host.addresses()).map(({ ip }): string => ip);
    for (const ip of own) assert.ok(present.includes(ip), `${ip} of ${present}`);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    const after = (await host.addresses()).map(({ ip }): string => ip);
    for (const ip of own) assert.ok(after.includes(ip));
  }));

test('with a dead first name server the second one’s answer counts, however late', () =>
  withHost('second', async ({ configureVips, start, status, host, client }) => {
    const config = await configureVips([named]);
    await startNameServer(client, dirname(config), { [name]: ['10.77.0.100'] });
    // Nobody has the first; glibc waits 5 s for it, as it does where nothing else is said.
    const wrap = await askingAt(client.ip, dirname(config), `nameserver 10.77.0.99\nnameserver ${client.ip}\n`);
    await host.run('ip', ['neighbour', 'replace', '10.77.0.99', 'lladdr', '02:00:00:00:00:99', 'dev', 'eth0']);
    const daemon = await start(config, wrap);
    await until(async () => (await status()).vips[0]?.held, { within: 9000, what: 'the VIP held' });
    assert.deepEqual((await status()).vips[0]?.addresses, ['10.77.0.100']);
    assert.doesNotMatch(await readFile(daemon.log, 'utf8'), /no answer/);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  }));

test('of two VIPs whose names have the same address the first of the settings has it, whichever came first', () =>
  withHost('same', async ({ configureVips, start, status, client }) => {
    const names = ['one.example', 'two.example'] as const;
    const config = await configureVips(
      names.map((each, index) => ({ ...named, name: `vip${index}`, addresses: [each], loadBalancer: { mode: 'off' } })),
    );
    const [x, y] = ['10.77.0.100', '10.77.0.101'] as const;
    const resolver = await startNameServer(client, dirname(config), { [names[0]]: [x], [names[1]]: [x] });
    const daemon = await start(config, await askingAt(client.ip, dirname(config)));
    const see = async () =>
      (await status()).vips.map((vip) => (vip.held ? vip.addresses.join() : vip.because)).join(' ');
    const wait = (wanted: string) => until(async () => (await see()) === wanted, { within: 15_000, what: wanted });
    await wait(`${x} unfit-address`);
    await resolver.say({ [names[0]]: [y], [names[1]]: [x] });
    await wait(`${y} ${x}`);
    // The first comes to the address of the second: that yields, and has it again when the first is elsewhere.
    await resolver.say({ [names[0]]: [x], [names[1]]: [x] });
    await wait(`${x} unfit-address`);
    await resolver.say({ [names[0]]: [y], [names[1]]: [x] });
    await wait(`${y} ${x}`);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  }));

test('a look-up that hangs does not hold the end', (t) =>
  withHost('hang', async ({ configureVips, start, status, client }) => {
    const other = { ...web, name: 'other', addresses: ['10.77.0.110'] };
    const config = await configureVips([other, named, { ...named, name: 'second', addresses: ['two.example'] }]);
    await startNameServer(client, dirname(config), null);
    const silent = `nameserver ${client.ip}\nsearch a.example b.example\n`;
    const daemon = await start(config, await askingAt(client.ip, dirname(config), silent));
    await until(async () => (await status()).vips[0]?.held, { what: 'the other VIP held' });
    const told = Date.now();
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    const took = Date.now() - told;
    t.diagnostic(`SIGTERM to end, a look-up hanging: ${took} ms`);
    assert.ok(took < 1000, `${took} ms`);
    assert.match(await readFile(daemon.log, 'utf8'), /to=closing/);
  }));
