import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import type { Host } from '../../src/lab/network.js';
import { until } from './poll.js';
import { program } from './program.js';
import { vip, web, withHost } from './with-host.js';

// What operators do to a daemon that serves, on a load-balancer host whose backends are on another one.

const other = '10.77.0.101';
const server = (number: number) => ({ name: `s${number}`, address: `10.77.0.50:${9000 + number}` });

/** Servers that name themselves to whoever says something, and go on as long as they are spoken to. */
async function serveThree(host: Host): Promise<void> {
  const script = `let up = 0; for (const n of [1, 2, 3]) require('net').createServer((s) => {
    s.on('error', () => {}); s.on('data', () => s.write('s' + n + ' ')); s.on('end', () => s.end());
  }).listen(9000 + n, '0.0.0.0', () => { if (++up === 3) console.log('up'); });`;
  const child = host.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => child.stdout?.once('data', () => resolve()));
}

/** A connection that stays open. */
interface Talk {
  /** Who is at the other end, or the error's code. */
  ask(): Promise<string>;
}

async function talk(host: Host, port: number, ip: string = vip): Promise<Talk> {
  const script = `const s = require('net').connect(${port}, '${ip}'); process.stdin.on('data', () => s.write('?'));
    s.on('connect', () => console.log('connected')); s.on('data', (d) => console.log(String(d).trim()));
    s.on('error', (e) => console.log(e.code)); s.on('end', () => console.log('end')); process.stdin.on('end', () => process.exit());`;
  const child = host.spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null || child.stdin === null) throw new Error('no pipes');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  assert.equal(await next(), 'connected');
  return {
    async ask() {
      child.stdin?.write('?');
      return next();
    },
  };
}

/** Who answers so many connections, one after the other. */
async function shares(host: Host, count: number, port: number, ip: string = vip): Promise<Record<string, number>> {
  const script = `const net = require('net'); const names = {}; let left = ${count};
    const one = () => { if (left-- === 0) { console.log(JSON.stringify(names)); process.exit(); }
      const count = (name) => { names[name] = (names[name] ?? 0) + 1; one(); };
      const s = net.connect(${port}, '${ip}', () => s.write('?')); s.once('data', (d) => count(String(d).trim())); s.once('error', (e) => count(e.code)); };
    one();`;
  return JSON.parse(await host.run(process.execPath, ['-e', script]));
}

for (const mode of ['proxy', 'nftables'] as const) {
  describe(mode, { concurrency: 1 }, () => {
    const balanced = (change: object = {}) => ({
      ...web,
      loadBalancer: {
        mode,
        ports: [8080],
        backends: { from: 'static', servers: [server(1), server(2), server(3)] },
        ...change,
      },
    });

    test('a drained backend keeps its connections and gets no new ones, also over a reload; resumed, it does', () =>
      withHost(`drain-${mode}`, async ({ configureVips, start, status, host, client }) => {
        await serveThree(client);
        const config = await configureVips([balanced()]);
        await start(config);
        const up = async () => (await status()).vips[0]?.loadBalancer.backends.filter((b) => b.state === 'up').length;
        await until(async () => (await up()) === 3, { what: 'three backends up' });
        const vipd = (...args: readonly string[]) =>
          host.run(program.node, [program.script, ...args, '--config', config]);
        const talks = await Promise.all([1, 2, 3].map(() => talk(client, 8080)));
        const answers = await Promise.all(talks.map((t) => t.ask()));
        const mine = talks[answers.indexOf('s2')];
        assert.ok(mine !== undefined, answers.join());

        assert.equal(await vipd('backend', 'drain', 's2'), 'web: s2: up → draining\n');
        assert.deepEqual(await shares(client, 20, 8080), { s1: 10, s3: 10 });
        assert.equal(await mine.ask(), 's2');
        const [row] = JSON.parse(await vipd('backend', 'list', '--json')).filter(
          (b: { name: string }) => b.name === 's2',
        );
        assert.deepEqual([row.state, row.connections], ['draining', 1]);
        await configureVips([balanced({ connectTimeout: '2s' })]);
        assert.match(await vipd('reload'), /connectTimeout: 1s → 2s/);
        assert.deepEqual(await shares(client, 20, 8080), { s1: 10, s3: 10 });
        assert.equal(await vipd('backend', 'resume', 's2'), 'web: s2: draining → up\n');
        assert.deepEqual(await shares(client, 30, 8080), { s1: 10, s2: 10, s3: 10 });
        assert.equal(await mine.ask(), 's2');
      }));

    test('ports, backends and checks change in place; open connections live on, of a port that goes too', () =>
      withHost(`ports-${mode}`, async ({ configureVips, start, status, host, client }) => {
        await serveThree(client);
        const config = await configureVips([balanced()]);
        const daemon = await start(config);
        const states = async () =>
          (await status()).vips[0]?.loadBalancer.backends.map(({ name, state }) => `${name} ${state}`).join();
        await until(async () => (await states()) === 's1 up,s2 up,s3 up', { what: 'three backends up' });
        const since = (await status()).vips[0]?.since;
        const old = await talk(client, 8080);
        const name = await old.ask();
        const servers = [server(1), server(2)];
        await configureVips([balanced({ ports: [8081, 8082], backends: { from: 'static', servers } })]);
        daemon.signal('SIGHUP');
        await until(async () => (await status()).vips[0]?.loadBalancer.ports.join() === '8081,8082', {
          what: 'the new ports',
        });
        await until(async () => (await readFile(daemon.log, 'utf8')).includes('reloaded'), { what: 'the log’s word' });
        assert.deepEqual(await shares(client, 20, 8081), { s1: 10, s2: 10 });
        assert.deepEqual(await shares(host, 20, 8082), { s1: 10, s2: 10 });
        const refused = await shares(client, 1, 8080);
        assert.ok(refused.ECONNREFUSED === 1 || refused.ECONNRESET === 1, JSON.stringify(refused));
        assert.equal(await old.ask(), name);
        assert.equal((await status()).vips[0]?.since, since);
        // Given up in order, the connection of the old port ends like all others.
        daemon.signal('SIGTERM');
        await daemon.ended;
        assert.equal(await old.ask(), 'ECONNRESET');
        assert.equal((await host.run('nft', ['list', 'tables'])).trim(), '');
      }));

    test('a reload that cannot be applied changes nothing and says why', () =>
      withHost(`refuse-${mode}`, async ({ configureVips, start, status, host, client }) => {
        await serveThree(client);
        const config = await configureVips([balanced()]);
        const daemon = await start(config);
        await until(async () => (await status()).vips[0]?.loadBalancer.backends.every((b) => b.state === 'up'), {
          what: 'three backends up',
        });
        const reload = () =>
          host
            .run(program.node, [program.script, 'reload', '--config', config])
            .then(String, (error: Error) => error.message);
        await configureVips([{ ...balanced(), addresses: [other] }]);
        assert.match(await reload(), /addresses.*restart vipd to apply it/);
        await configureVips([balanced({ ports: [] })]);
        assert.match(await reload(), /the list is empty/);
        assert.deepEqual(await shares(client, 30, 8080), { s1: 10, s2: 10, s3: 10 });
        assert.equal(daemon.running(), true);
      }));
  });
}

test('two VIPs on one host, each with its own mode and ports', () =>
  withHost('two-modes', async ({ configureVips, start, status, host, client }) => {
    await serveThree(client);
    const servers = (...numbers: readonly number[]) => ({ from: 'static', servers: numbers.map(server) });
    const config = await configureVips([
      { ...web, loadBalancer: { mode: 'nftables', ports: [8080, 8081], backends: servers(1, 2) } },
      {
        ...web,
        name: 'db',
        addresses: [other],
        loadBalancer: { mode: 'proxy', scheduler: 'leastconn', ports: [8080, 5432], backends: servers(2, 3) },
      },
    ]);
    const daemon = await start(config);
    await until(
      async () => {
        const { vips } = await status();
        return vips.length === 2 && vips.every((v) => v.held && v.loadBalancer.backends.every((b) => b.state === 'up'));
      },
      { what: 'both VIPs' },
    );
    assert.deepEqual(
      (await status()).vips.map(({ loadBalancer }) => loadBalancer.mode),
      ['nftables', 'proxy'],
    );
    for (const from of [client, host]) {
      assert.deepEqual(await shares(from, 20, 8080), { s1: 10, s2: 10 });
      assert.deepEqual(await shares(from, 20, 8081), { s1: 10, s2: 10 });
      for (const port of [8080, 5432]) {
        // Who has the fewest is known when those before have ended, and these stay until all are counted.
        await until(
          async () => (await status()).vips[1]?.loadBalancer.backends.every(({ connections }) => connections === 0),
          { what: 'the end of earlier connections' },
        );
        assert.deepEqual(await shares(from, 20, port, other), { s2: 10, s3: 10 });
      }
    }
    const held = [await talk(client, 8080), await talk(client, 5432, other)];
    for (const one of held) await one.ask();
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).code, 0);
    assert.deepEqual(await Promise.all(held.map((one) => one.ask())), ['ECONNRESET', 'ECONNRESET']);
    assert.equal((await host.run('nft', ['list', 'tables'])).trim(), '');
  }));

test('nftables has the host forward while it serves; a killed daemon’s change goes at the next start', () =>
  withHost('forward', async ({ configureVips, start, status, host }) => {
    const forwards = async () => (await host.run('sysctl', ['-n', 'net.ipv4.ip_forward'])).trim();
    const before = await forwards();
    await host.run('sysctl', ['-qw', 'net.ipv4.ip_forward=0']);
    const balancer = { mode: 'nftables', ports: [8080], backends: { from: 'static', servers: [server(1)] } };
    const config = await configureVips([{ ...web, loadBalancer: balancer }]);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const daemon = await start(config);
      await until(async () => (await status()).vips[0]?.held && (await forwards()) === '1', { what: 'forwarding' });
      daemon.signal(signal);
      await daemon.ended;
      assert.equal(await forwards(), signal === 'SIGTERM' ? '0' : '1');
    }
    const next = await start(await configureVips([{ ...web, loadBalancer: { ...balancer, mode: 'proxy' } }]));
    await until(async () => (await forwards()) === '0', { what: 'the setting as it was' });
    assert.match(await readFile(next.log, 'utf8'), /kernel setting.*leftover/);
    next.signal('SIGTERM');
    await next.ended;
    await assert.rejects(access(join(dirname(config), 'vipd.sock.sysctls.json')));
    await host.run('sysctl', ['-qw', `net.ipv4.ip_forward=${before}`]);
  }));

test('a setting flipped while it serves is made again; what forwarding rewrites is as it was in the end', () =>
  withHost('flip', async ({ configureVips, start, status, host }) => {
    const all = async () => (await host.run('sysctl', ['-a', '--pattern', '^net.ipv[46].conf'])).split('\n').sort();
    await host.run('sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
    await host.run('sysctl', ['-qw', 'net.ipv4.conf.all.accept_redirects=0', 'net.ipv4.conf.eth0.forwarding=1']);
    const before = await all();
    const balancer = { mode: 'nftables', ports: [8080], backends: { from: 'static', servers: [server(1)] } };
    const daemon = await start(await configureVips([{ ...web, loadBalancer: balancer }]));
    const forwards = async () => (await host.run('sysctl', ['-n', 'net.ipv4.ip_forward'])).trim() === '1';
    await until(async () => (await status()).vips[0]?.held && (await forwards()), { what: 'forwarding' });
    await host.run('sysctl', ['-qw', 'net.ipv4.ip_forward=0']);
    await until(forwards, { within: 3000, what: 'forwarding again' });
    daemon.signal('SIGTERM');
    await daemon.ended;
    assert.deepEqual(await all(), before);
  }));

test('without IPVS in the kernel, `ipvs` is refused with the mend, and `auto` is the proxy and says why', async (t) => {
  const hasIpvs = await access('/proc/net/ip_vs').then(
    () => true,
    () => false,
  );
  if (hasIpvs) return t.skip('this kernel has IPVS');
  await withHost('no-ipvs', async ({ configureVips, start, status }) => {
    const balancer = (mode: string) => ({ ...web, loadBalancer: { ...web.loadBalancer, mode } });
    const refused = await start(await configureVips([balancer('ipvs')]));
    assert.equal((await refused.ended).code, 2);
    const log = await readFile(refused.log, 'utf8');
    assert.match(log, /loadBalancer\.mode is ipvs, but the kernel has no IPVS; load its module \(modprobe ip_vs\)/);
    const daemon = await start(await configureVips([balancer('auto')]));
    const { loadBalancer } = await until(async () => (await status()).vips[0], { what: 'the VIP' });
    assert.deepEqual([loadBalancer.mode, loadBalancer.because], ['proxy', 'the kernel has no IPVS']);
    assert.match(await readFile(daemon.log, 'utf8'), /data plane.*mode=proxy.*because="?the kernel has no IPVS/);
  });
});
