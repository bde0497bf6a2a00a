import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../netns/network-namespace.js';
import { until } from '../netns/poll.js';
import { inDebianKernel } from './debian-kernel.js';
import { bootSystemd, type Systemd } from './systemd-machine.js';

const repository = join(import.meta.dirname, '../../..');
const [vip, host] = ['192.0.2.100', '192.0.2.1'];
const configuration = '/etc/vipd/vipd.yaml';
// CAP_NET_BIND_SERVICE, CAP_NET_ADMIN and CAP_NET_RAW are number 10, 12 and 13.
const threeCapabilities = '0000000000003400';
/** An emulated processor may not get to a sign of life for seconds. */
const log = '/run/vipd.log';
const dropIn = `[Service]\nWatchdogSec=20s\nStandardOutput=append:${log}\nStandardError=append:${log}\n`;
/** A start takes ten seconds here. */
const slowly = { within: 90_000, every: 250 };

const backend = (name: string) => ({ name, address: `${host}:8080` });
const settings = (backends: readonly object[]) => ({
  vips: [
    {
      name: 'web',
      addresses: [vip],
      interface: 'lan',
      deadManSwitch: '10s',
      election: {
        type: 'vrrp',
        vrrp: {
          track: { scripts: [{ name: 'fit', command: '/etc/vipd/fit.sh', interval: '5s', timeout: '30s' }] },
          notify: { all: '/etc/vipd/changed.sh' },
        },
      },
      loadBalancer: { mode: 'ipvs', ports: [80], backends: { from: 'static', servers: backends } },
    },
  ],
});

/** Ordinary programs: without them being fit the node takes no part. One looks for a process of root's. */
const fit = `#!/bin/sh\ncurl -sf http://${host}:8080/ >/dev/null && pgrep -u root systemd >/dev/null\n`;
const changed = '#!/bin/sh\nenv >$RUNTIME_DIRECTORY/environment\necho "$@" >>$RUNTIME_DIRECTORY/changes\n';

/** The commands of README's section that make a user and install the files. */
function installAsReadme(): void {
  const [, section = ''] =
    /^## Load-balancer hosts\n(.*?)^## /ms.exec(readFileSync(join(repository, 'README.md'), 'utf8')) ?? [];
  const commands = section.split('\n').filter((line) => /^(useradd|install) /.test(line));
  assert.equal(commands.length, 3, section);
  for (const command of commands) execFileSync('sh', ['-c', command], { cwd: repository });
}

const addresses = () => run('ip', '-br', 'address', 'show', 'dev', 'lan');

inDebianKernel(import.meta.filename, () => {
  let systemd: Systemd;
  const server = createServer((_, response) => response.end('a'));
  const main = () => systemd.show('vipd', 'MainPID');
  const isLed = () => addresses().includes(`${vip}/32`);
  const status = async () => JSON.parse(await systemd.run('vipd', 'status', '--json')).vips[0];

  before(async () => {
    run('ip', 'link', 'add', 'lan', 'type', 'dummy');
    run('ip', 'address', 'add', `${host}/24`, 'dev', 'lan');
    run('ip', 'link', 'set', 'lan', 'up');
    server.listen(8080, host);
    // Where the package would be: the unit hides home and temporary folders.
    mkdirSync('/opt/vipd');
    run('mount', '--bind', repository, '/opt/vipd');
    symlinkSync('/opt/vipd/dist/vipd.js', '/usr/local/bin/vipd');
    installAsReadme();
    writeFileSync(configuration, JSON.stringify(settings([backend('a')])));
    writeFileSync('/etc/vipd/fit.sh', fit, { mode: 0o755 });
    writeFileSync('/etc/vipd/changed.sh', changed, { mode: 0o755 });
    systemd = await bootSystemd('/etc/systemd/system/vipd.service', 'vipd.service', dropIn);
  });
  after(async () => {
    await systemd[Symbol.asyncDispose]();
    server.close();
  });

  test('the unit becomes active, leads, and has an ordinary user with three capabilities', async () => {
    await until(async () => (await systemd.show('vipd', 'ActiveState')) === 'active', { ...slowly, what: 'active' });
    await until(isLed, { ...slowly, what: 'the address' });
    const line = async () => (await systemd.show('vipd', 'StatusText')) === 'web: led here, on lan';
    await until(line, { ...slowly, what: 'its status line' });
    const of = await systemd.run('cat', `/proc/${await main()}/status`);
    const user = run('id', '-u', 'vipd').trim();
    assert.notEqual(user, '0');
    assert.match(of, new RegExp(`^Uid:\\s${user}\\s${user}\\s${user}\\s${user}$`, 'm'));
    for (const set of ['Prm', 'Eff', 'Bnd', 'Amb'])
      assert.match(of, new RegExp(`^Cap${set}:\\s${threeCapabilities}$`, 'm'));
    assert.match(of, /^NoNewPrivs:\s1$/m);
  });

  test('root asks it for its status; the kernel balances, with the settings and modules that this needs', async () => {
    const up = async () => (await status()).loadBalancer.backends[0].state === 'up';
    await until(up, { ...slowly, what: 'a backend up' });
    const { role, held, loadBalancer } = await status();
    assert.deepEqual([role, held, loadBalancer.mode], ['leader', true, 'ipvs']);
    assert.equal(run('sysctl', '-n', 'net.ipv4.ip_forward').trim(), '1');
    assert.equal(await systemd.run('curl', '-sf', `http://${vip}/`), 'a');
    await assert.rejects(systemd.run('vipd', 'upgrade'), /VIP web is balanced by IPVS, .* restart vipd instead/);
  });

  test('its programs run, with its rights, and know nothing of the supervisor', async () => {
    const told = () => readFileSync('/run/vipd/changes', 'utf8').includes('INSTANCE web MASTER');
    await until(() => told(), { ...slowly, what: 'a program told of the change' });
    const environment = readFileSync('/run/vipd/environment', 'utf8');
    assert.match(environment, /^USER=vipd$/m);
    assert.doesNotMatch(environment, /NOTIFY_SOCKET|WATCHDOG/);
  });

  test('systemctl reload applies a changed file; one with a mistake fails it and changes nothing', async () => {
    const before = await main();
    writeFileSync(
      configuration,
      JSON.stringify(settings([{ ...backend('b'), address: `${host}:8081` }, backend('a')])),
    );
    await systemd.run('systemctl', 'reload', 'vipd');
    const names = async () => (await status()).loadBalancer.backends.map(({ name }: { name: string }) => name);
    assert.deepEqual(await names(), ['b', 'a']);
    writeFileSync(configuration, JSON.stringify({ ...settings([]), mistake: true }));
    await assert.rejects(systemd.run('systemctl', 'reload', 'vipd'), /Job for vipd\.service failed/);
    assert.deepEqual(await names(), ['b', 'a']);
    assert.deepEqual([await systemd.show('vipd', 'ActiveState'), await main()], ['active', before]);
    assert.ok(isLed());
    writeFileSync(configuration, JSON.stringify(settings([backend('a')])));
  });

  test('a stopped process loses the VIP to the kernel, is killed and started again', async () => {
    const before = await main();
    await systemd.run('kill', '-STOP', before);
    await until(() => !isLed(), { ...slowly, what: 'the address gone' });
    assert.equal(await main(), before);
    const isNew = async () => !['0', before].includes(await main());
    await until(isNew, { ...slowly, what: 'another process' });
    await until(isLed, { ...slowly, what: 'the address' });
    assert.equal(await systemd.show('vipd', 'NRestarts'), '1');
  });

  test('systemctl stop takes the VIP away and gives the kernel’s settings back', async () => {
    await systemd.run('systemctl', 'stop', 'vipd');
    assert.ok(!isLed());
    assert.equal(run('sysctl', '-n', 'net.ipv4.ip_forward').trim(), '0');
    assert.deepEqual(
      [await systemd.show('vipd', 'ActiveState'), await systemd.show('vipd', 'Result')],
      ['inactive', 'success'],
    );
    assert.match(readFileSync('/run/vipd/changes', 'utf8'), /INSTANCE web STOP \d+\n$/);
  });

  test('vipd upgrade: another process is the unit’s main one, what is open lives on, and the unit stops as ever', async () => {
    const balanced = settings([backend('a')]);
    const [web] = balanced.vips;
    const proxied = { vips: [{ ...web, loadBalancer: { ...web?.loadBalancer, mode: 'proxy' } }] };
    writeFileSync(configuration, JSON.stringify(proxied));
    await systemd.run('systemctl', 'start', 'vipd');
    await until(isLed, { ...slowly, what: 'the address' });
    const up = async () => (await status()).loadBalancer.backends[0].state === 'up';
    await until(up, { ...slowly, what: 'a backend up' });
    const before = await main();
    const client = connect(80, vip).setEncoding('utf8');
    client.on('error', () => {});
    client.write('GET / HTTP/1.1\r\n');
    await once(client, 'connect');
    const said = await systemd.run('vipd', 'upgrade').catch((error) => `${error}\n${readFileSync(log, 'utf8')}`);
    assert.match(said, /^process \d+, vipd \S+, goes on$/m);
    await until(async () => (await main()) !== before, { ...slowly, what: 'another main process' });
    const now = await main();
    assert.notEqual(now, '0');
    assert.ok(isLed());
    assert.match(await systemd.run('cat', `/proc/${before}/cmdline`), /vipd/);
    client.end('Host: a\r\nConnection: close\r\n\r\n');
    const [answer] = await once(client, 'data');
    assert.match(answer, /^HTTP\/1\.1 200/);
    const isOver = () =>
      systemd.run('cat', `/proc/${before}/cmdline`).then(
        () => false,
        () => true,
      );
    await until(isOver, { ...slowly, what: 'the end of the process before' });
    // Longer than the watchdog waits: it hears the new one.
    await new Promise((resolve) => setTimeout(resolve, 25_000));
    const properties = ['ActiveState', 'NRestarts', 'MainPID'].map((name) => systemd.show('vipd', name));
    assert.deepEqual(await Promise.all(properties), ['active', '0', now]);
    await systemd.run('systemctl', 'stop', 'vipd');
    assert.ok(!isLed());
    assert.equal(await systemd.show('vipd', 'Result'), 'success');
  });

  test('with a wrong configuration it is not started again and again', async () => {
    writeFileSync(configuration, JSON.stringify({ ...settings([]), mistake: true }));
    await assert.rejects(systemd.run('systemctl', 'start', 'vipd'), /Job for vipd\.service failed/);
    assert.deepEqual(
      [await systemd.show('vipd', 'ExecMainStatus'), await systemd.show('vipd', 'ActiveState')],
      ['2', 'failed'],
    );
  });
}, ['curl', 'nsenter', 'pgrep', 'systemctl', 'unshare', 'useradd']);
