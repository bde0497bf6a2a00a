import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from './poll.js';
import { ask, serve, vip, web, withHost } from './with-host.js';

for (const capability of ['NET_ADMIN', 'NET_RAW']) {
  test(`without ${capability} the daemon ends with 77 and names it`, () =>
    withHost('cap', async ({ configure, start }) => {
      const config = await configure();
      const daemon = await start(config, ['setpriv', `--bounding-set=-${capability.toLowerCase()}`, '--']);
      assert.equal((await daemon.ended).code, 77);
      const log = await readFile(daemon.log, 'utf8');
      assert.match(log, new RegExp(`CAP_${capability} is missing`));
      assert.doesNotMatch(log, /^ +at /m);
    }));
}

for (const prefix of [24, 32]) {
  test(`a VIP that is the host’s own address, a /${prefix}, is refused in one sentence`, () =>
    withHost('own', async ({ configure, start, host }) => {
      await host.run('ip', ['address', 'add', `${vip}/${prefix}`, 'dev', 'eth0']);
      const daemon = await start(await configure());
      assert.equal((await daemon.ended).code, 2);
      const log = await readFile(daemon.log, 'utf8');
      const [, is, mend] = /10\.77\.0\.100 is this host's own address \((.*)\); if .* \((.*)\), else/.exec(log) ?? [];
      assert.equal(is, `${vip}/${prefix} on eth0`);
      assert.ok((await host.addresses()).some((address) => address.ip === vip));
      // What it says to do is enough.
      const [command = '', ...args] = (mend ?? '').split(' ');
      await host.run(command, args);
      assert.ok(!(await host.addresses()).some((address) => address.ip === vip));
    }));
}

test('a VIP that kube-vip left with its prefix is removed at the start, and then vipd has it', () =>
  withHost('left', async ({ configure, start, status, host }) => {
    // As kube-vip with vip_subnet puts it: for ever, and never a source.
    await host.run('ip', ['address', 'add', `${vip}/24`, 'dev', 'eth0', 'noprefixroute', 'preferred_lft', '0']);
    const daemon = await start(await configure({ addresses: [`${vip}/24`] }));
    await until(async () => (await status()).vips[0]?.held, { what: 'the VIP held' });
    assert.match(await readFile(daemon.log, 'utf8'), /leftover removed.*10\.77\.0\.100\/24/);
    const [held, ...others] = (await host.addresses()).filter((address) => address.ip === vip);
    assert.ok(held !== undefined && held.lifetimeSeconds < 60 && others.length === 0);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    assert.ok(!(await host.addresses()).some((address) => address.ip === vip));
  }));

test('a VIP waits for an interface that is not there yet, and another VIP does not', () =>
  withHost('eth', async ({ configureVips, start, status, host }) => {
    const late = { ...web, name: 'late', addresses: ['10.88.0.100'], interface: '/^late/' };
    const daemon = await start(await configureVips([web, late]));
    await until(async () => (await status()).vips[0]?.held, { what: 'the other VIP held' });
    const waiting = (await status()).vips[1];
    assert.deepEqual([waiting?.role, waiting?.because, waiting?.interface], ['fault', 'no-interface', '/^late/']);
    await host.run('ip', ['link', 'add', 'late7', 'type', 'veth', 'peer', 'name', 'other']);
    for (const end of ['other', 'late7']) await host.run('ip', ['link', 'set', end, 'up']);
    // An event tells of it: sooner than the next look by the clock.
    await until(async () => (await status()).vips[1]?.held, { within: 3000, what: 'the late VIP held' });
    assert.equal((await status()).vips[1]?.interface, 'late7');
    const lines = (await readFile(daemon.log, 'utf8')).split('\n');
    const said = lines.filter((line) => line.includes('the VIP waits'));
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /no interface matches \/\^late\/; this host has .*eth0/);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    assert.ok(!(await host.addresses()).some(({ ip }) => ip === '10.88.0.100'));
  }));

test('a daemon whose VIP still waits ends when it is told to', () =>
  withHost('waits', async ({ configure, start, status }) => {
    const daemon = await start(await configure({ interface: 'eth7' }));
    await until(async () => (await status()).vips[0]?.because === 'no-interface', { what: 'the fault' });
    assert.match(await readFile(daemon.log, 'utf8'), /eth7 does not exist; this host has .*eth0/);
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  }));

test('a second vipd on the same admin socket is refused, and the first goes on', () =>
  withHost('two', async ({ configure, start, status }) => {
    const config = await configure();
    await start(config);
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    const second = await start(config);
    assert.equal((await second.ended).code, 1);
    assert.match(await readFile(second.log, 'utf8'), /another vipd/);
    assert.equal((await status()).vips[0]?.role, 'leader');
  }));

test('what a killed vipd left is gone before the next one contends', () =>
  withHost('left', async ({ configure, start, status, host }) => {
    const config = await configure({ deadManSwitch: 'off' });
    const first = await start(config);
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    first.signal('SIGKILL');
    await first.ended;
    assert.ok((await host.addresses()).some((address) => address.ip === vip));
    // The next one has another VIP and an API that never answers: it holds nothing.
    const kubeconfig = config.replace('vipd.yaml', 'kubeconfig');
    const cluster = { name: 'c', cluster: { server: 'https://10.77.0.99:6443' } };
    const context = { name: 'x', context: { cluster: 'c', user: 'u' } };
    await writeFile(
      kubeconfig,
      JSON.stringify({
        clusters: [cluster],
        contexts: [context],
        users: [{ name: 'u', user: { token: 't' } }],
        'current-context': 'x',
      }),
    );
    const next = await configure({ addresses: ['10.77.0.101'], election: { type: 'lease' } });
    await writeFile(
      next,
      (await readFile(next, 'utf8')).replace('"metrics"', `"kubernetes":{"kubeconfig":"${kubeconfig}"},"metrics"`),
    );
    const second = await start(next);
    await status();
    await until(async () => (await readFile(second.log, 'utf8')).includes('leftover removed'), { what: 'the removal' });
    assert.ok(!(await host.addresses()).some((address) => address.ip === vip));
    second.signal('SIGTERM');
    assert.equal((await second.ended).code, 0);
  }));

test('static backends: the proxy listens on VIP:port itself', () =>
  withHost('static', async ({ configure, start, status, host, client }) => {
    await serve(host, '10.77.0.11', 9000, 'a');
    await start(await configure());
    await until(async () => (await status()).vips[0]?.loadBalancer.backends[0]?.state === 'up', {
      what: 'a backend up',
    });
    assert.equal(await ask(client, 8080), 'a');
    assert.equal(await ask(host, 8080), 'a');
    assert.equal((await host.run('nft', ['list', 'tables'])).trim(), '');
  }));

test('static backends, and another server on 0.0.0.0:port: VIP:port reaches the proxy, the rest reaches the server', () =>
  withHost('clash', async ({ configure, start, status, host, client }) => {
    await serve(host, '10.77.0.11', 9000, 'a');
    await serve(host, '0.0.0.0', 8080, 'other');
    const daemon = await start(await configure());
    await until(async () => (await status()).vips[0]?.loadBalancer.backends[0]?.state === 'up', {
      what: 'a backend up',
    });
    assert.equal(await ask(client, 8080), 'a');
    assert.equal(await ask(host, 8080), 'a');
    const own = `require('net').connect(8080, '10.77.0.11').on('data', (d) => process.stdout.write(d))`;
    assert.equal(await client.run(process.execPath, ['-e', own]), 'other');
    daemon.signal('SIGTERM');
    await daemon.ended;
    assert.equal((await host.run('nft', ['list', 'tables'])).trim(), '');
  }));

test('no backend: the client is refused at once', () =>
  withHost('none', async ({ configure, start, status, client }) => {
    await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    await until(async () => (await status()).vips[0]?.loadBalancer.backends[0]?.lastCheck !== undefined, {
      what: 'a check',
    });
    assert.equal(await ask(client, 8080), 'ECONNRESET');
  }));

test('a second vipd on the host is refused whatever its socket, and takes nothing from the first', () =>
  withHost('lock', async ({ configure, start, status, host }) => {
    await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    const second = await start(await configure({ addresses: ['10.77.0.101'] }, 'other'));
    assert.equal((await second.ended).code, 1);
    const log = await readFile(second.log, 'utf8');
    assert.match(log, /another vipd runs on this host/);
    assert.doesNotMatch(log, /leftover/);
    assert.ok((await host.addresses()).some((address) => address.ip === vip));
    // Nothing is left of the name for one Node.js to fill up and another not.
    assert.match(await host.run('cat', ['/proc/net/unix']), /@vipd-{103}$/m);
  }));

test('a table that an earlier life left is removed, needed or not', () =>
  withHost('table', async ({ configure, start, status, host }) => {
    const rule = `ip daddr ${vip} tcp dport 8080 redirect to :1`;
    const chain = '{ type nat hook prerouting priority dstnat; }';
    await host.run('nft', [
      `add table inet vipd; add chain inet vipd prerouting ${chain}; add rule inet vipd prerouting ${rule}`,
    ]);
    await host.run('nft', ['add table inet others']);
    await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    assert.equal((await host.run('nft', ['list', 'tables'])).trim(), 'table inet others');
  }));

test('a link that comes up while the daemon starts is seen', () =>
  withHost('link', async ({ configure, start, status, host }) => {
    await host.run('ip', ['link', 'set', 'eth0', 'down']);
    const daemon = await start(await configure({ interface: 'eth0' }));
    await until(async () => (await readFile(daemon.log, 'utf8')).includes('interface=eth0'), {
      every: 1,
      what: 'the choice',
    });
    await host.run('ip', ['link', 'set', 'eth0', 'up']);
    await until(async () => (await status()).vips[0]?.held, { within: 3000, what: 'the address held' });
  }));

test('SIGHUP does not end the daemon', () =>
  withHost('hup', async ({ configure, start, status }) => {
    const daemon = await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    daemon.signal('SIGHUP');
    const later = Date.now() + 300;
    await until(() => Date.now() > later, { what: 'a moment' });
    assert.equal(daemon.running(), true);
    assert.equal((await status()).vips[0]?.held, true);
  }));

test('SIGUSR1 writes the state as one line of JSON, disturbs nothing, and opens no debugger', () =>
  withHost('usr1', async ({ configure, start, status, host }) => {
    const daemon = await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    daemon.signal('SIGUSR1');
    const line = await until(
      async () => (await readFile(daemon.log, 'utf8')).split('\n').find((l) => l.startsWith('{')),
      { what: 'the dump' },
    );
    const dump = JSON.parse(line);
    assert.equal(dump.msg, 'state dump');
    assert.equal(dump.settings.vips[0].name, 'web');
    assert.equal(dump.vips[0].state.stage.kind, 'serving');
    assert.equal(dump.vips[0].loadBalancer.mode, 'proxy');
    assert.equal((await status()).vips[0]?.held, true);
    assert.doesNotMatch(await host.run('ss', ['-ltn']), /:9229\b/);
    assert.doesNotMatch(await readFile(daemon.log, 'utf8'), /Debugger/);
  }));

test('with so few descriptors that clients could take those that keep the VIP, the daemon does not start', () =>
  withHost('few', async ({ configure, start, status }) => {
    const config = await configure();
    const few = await start(config, ['prlimit', '--nofile=255:255', '--']);
    assert.equal((await few.ended).code, 1);
    assert.match(
      await readFile(few.log, 'utf8'),
      /255 files open at once.* at least 256: raise the limit \(LimitNOFILE=/,
    );
    const daemon = await start(config, ['prlimit', '--nofile=256:256', '--']);
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
  }));

test('a daemon that runs out of descriptors gives the VIP up, and ends when it is told to', () =>
  withHost('files', async ({ configure, start, status, host }) => {
    const daemon = await start(await configure());
    await until(async () => (await status()).vips[0]?.held, { what: 'the address held' });
    await host.run('prlimit', ['--pid', String(daemon.pid), '--nofile=3:3']);
    await until(async () => (await readFile(daemon.log, 'utf8')).includes('to=address-refused'), { what: 'the fault' });
    await until(async () => !(await host.addresses()).some((address) => address.ip === vip), {
      what: 'the address gone',
    });
    daemon.signal('SIGTERM');
    const { at } = await daemon.ended;
    assert.ok(at > 0);
  }));
