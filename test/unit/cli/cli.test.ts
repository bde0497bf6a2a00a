import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { Configuration } from '../../../src/admin/reload.js';
import { MissingPrivilege } from '../../../src/kernel/missing-privilege.js';
import { run } from './fake-io.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-cli-'));
after(() => rmSync(folder, { recursive: true }));
const repository = join(import.meta.dirname, '../../../..');

test('version and help are printed', async () => {
  for (const words of ['--version', 'version'])
    assert.deepEqual(await run(words), { code: 0, stdout: '1.2.3\n', stderr: '', started: [] });
  const help = await run('--help');
  assert.equal(help.code, 0);
  for (const word of ['start', 'status', 'backend', 'reload', 'config', 'manager'])
    assert.match(help.stdout, new RegExp(word));
  const start = await run('start --help');
  assert.match(start.stdout, /--lease-renew-deadline/);
  assert.match(start.stdout, /VIPD_METRICS_LISTEN/);
  assert.deepEqual(start.started, []);
  assert.match((await run('config --help')).stdout, /config check/);
});

/** Wrong usage, and the one sentence that answers it. */
const misuses: Readonly<Record<string, RegExp>> = {
  '': /^vipd: no command is given; write one of .*status.*, or see vipd --help\n$/,
  statsu: /^vipd: there is no command "statsu"; did you mean status\?\n$/,
  frobnicate: /^vipd: there is no command "frobnicate"; see vipd --help\n$/,
  config: /^vipd: config alone does nothing; write config check or config print or config import\n$/,
  'config chek': /^vipd: there is no command "config chek"; did you mean config check\?\n$/,
  'start --adress 10.0.0.9': /^vipd: vipd start has no flag --adress; did you mean --address\?\n$/,
  'start --zzzzzzzzzzz': /^vipd: vipd start has no flag --zzzzzzzzzzz; see vipd start --help\n$/,
  'status --address 10.0.0.9': /^vipd: vipd status has no flag --address/,
  'status -j': /^vipd: vipd status has no flag -j/,
  'start --address': /^vipd: Not enough arguments following: address; see vipd --help\n$/,
  backend: /^vipd: backend alone does nothing; write backend list or backend drain or backend resume\n$/,
  'backend drian cp1': /^vipd: there is no command "backend drian cp1"; did you mean backend drain\?\n$/,
  'backend drain': /^vipd: .*; see vipd --help\n$/,
  'backend drain cp1 --force': /^vipd: vipd backend drain has no flag --force; see vipd backend drain --help\n$/,
  'backend drain cp1 cp2': /^vipd: vipd backend drain takes no "cp2"; see vipd backend drain --help\n$/,
  'backend list cp1': /^vipd: vipd backend list takes no "cp1"/,
  'backend list --vip api --vip web': /^vipd: --vip is given 2 times; name one VIP, or leave it out\n$/,
  'reload now': /^vipd: vipd reload takes no "now"/,
  'reload --address 10.0.0.9': /^vipd: vipd reload has no flag --address/,
  'start now --address 10.0.0.9': /^vipd: vipd start takes no "now"; see vipd start --help\n$/,
  'start --no-address': /^vipd: vipd start has no flag --no-address; did you mean --address\?\n$/,
};

test('wrong usage is one sentence on stderr and exit code 2', async () => {
  for (const [line, sentence] of Object.entries(misuses)) {
    const { code, stdout, stderr, started } = await run(line);
    assert.equal(code, 2, line);
    assert.equal(stdout, '', line);
    assert.match(stderr, sentence);
    assert.deepEqual(started, []);
  }
});

test('no words make the command line throw', async () => {
  const word = fc.oneof(
    fc.constantFrom(
      'start',
      'status',
      'backend',
      'drain',
      'reload',
      'config',
      'check',
      '--json',
      '--watch=false',
      '--address',
      '-',
      '--',
      '--help',
    ),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 4 }), async (words) => {
      const { code } = await run(words.join(' '), { environment: { VIPD_ADMIN_SOCKET: '/nonexistent/vipd.sock' } });
      assert.ok([0, 2, 3].includes(code), `${code}`);
    }),
    { numRuns: 40 },
  );
});

test('start hands the settings to the daemon and returns its exit code; manager is another name for it', async () => {
  for (const command of ['start', 'manager']) {
    const line = `${command} --address 10.0.0.9 --ports 6443 --ports 8443 --lease-name 1`;
    const { code, started } = await run(line, { environment: { VIPD_INTERFACE: 'eth1' } });
    assert.equal(code, 0);
    assert.equal(started[0]?.vips[0]?.interface, 'eth1');
    assert.equal(started[0]?.vips[0]?.election.lease.name, '1');
    assert.deepEqual(started[0]?.vips[0]?.loadBalancer.ports, [6443, 8443]);
  }
  assert.equal((await run('start --address 10.0.0.9', { startDaemon: async () => 1 })).code, 1);
});

test('bad settings start nothing: all problems, exit code 2', async () => {
  const { code, stderr, started } = await run('start --address fe80::1 --announce-burst 0 --node-name CP1');
  assert.equal(code, 2);
  assert.deepEqual(started, []);
  assert.equal(stderr.trim().split('\n').length, 3);
  assert.match(stderr, /^vipd: flag --node-name: node\.name \(--node-name, VIPD_NODE_NAME\): "CP1"/);
});

test('a missing privilege is exit code 77 and names the capability', async () => {
  const startDaemon = async () => {
    throw new MissingPrivilege('NET_ADMIN', 'put the VIP on an interface');
  };
  const { code, stderr } = await run('start --address 10.0.0.9', { startDaemon });
  assert.equal(code, 77);
  assert.match(
    stderr,
    /^vipd: the capability CAP_NET_ADMIN is missing, which is needed to put the VIP on an interface; .*\n$/,
  );
});

test('a failure is one sentence and exit code 1, with a stack only when debugging', async () => {
  const startDaemon = async () => {
    throw new Error('the addon is not there');
  };
  const line = 'start --address 10.0.0.9';
  assert.deepEqual(await run(line, { startDaemon }), {
    code: 1,
    stdout: '',
    stderr: 'vipd: the addon is not there\n',
    started: [],
  });
  assert.match(
    (await run(`${line} --log-level debug`, { startDaemon })).stderr,
    /^vipd: Error: the addon is not there\n {4}at /,
  );
});

test('start reads the same flags, environment and file again when the daemon asks', async () => {
  const file = join(folder, 'vipd.yaml');
  const vip = 'vips: [{ addresses: [10.0.0.9] }]\n';
  writeFileSync(file, vip);
  let levels: unknown[] = [];
  const startDaemon = async ({ loaded, reread }: Configuration) => {
    const read = async () => {
      const again = await reread();
      return again.ok ? [again.settings.log.level, again.settings.vips[0]?.interface] : again.problems.length;
    };
    levels = [loaded.settings.log.level];
    writeFileSync(file, `${vip}log: { level: warn }`);
    levels.push(await read());
    writeFileSync(file, `${vip}log: { level: loud }`);
    levels.push(await read());
    rmSync(file);
    levels.push(await read());
    return 0;
  };
  const line = `start --config ${file} --interface eth7`;
  assert.equal((await run(line, { startDaemon })).code, 0);
  assert.deepEqual(levels, ['info', ['warn', 'eth7'], 1, 1]);
});

test('config check says ok, or everything that is wrong', async () => {
  const good = await run('config check --address 10.0.0.9/24');
  assert.deepEqual([good.code, good.stdout], [0, 'ok: node cp1; api 10.0.0.9/24\n']);
  const bad = await run('config check --ports 0');
  assert.equal(bad.code, 2);
  assert.equal(bad.stderr.trim().split('\n').length, 2);
});

test('config print prints the settings in force', async () => {
  const { code, stdout } = await run('config print --address 10.0.0.9');
  assert.equal(code, 0);
  assert.match(stdout, /addresses: \[ 10\.0\.0\.9 \] # from flag --address\n/);
  assert.deepEqual((await run('config print')).stdout, '');
});

test('the bundle that users run is quick to say its version and refuses what it must', () => {
  const bundle = join(repository, 'dist/vipd.js');
  const environment = { PATH: process.env.PATH };
  const spawn = (...args: string[]) =>
    spawnSync(process.execPath, [bundle, ...args], { encoding: 'utf8', env: environment });
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const { stdout, stderr, status } = spawn('--version');
  assert.deepEqual([stdout, stderr, status], [`${version}\n`, '', 0]);
  const refused = spawn('start', '--address', '10.0.0.300');
  assert.deepEqual([refused.stdout, refused.status], ['', 2]);
  assert.match(refused.stderr, /^vipd: flag --address: vips\[0\]\.addresses\[0\] .*\n$/);
  const printed = spawn('config', 'print', '--address', '10.0.0.9');
  assert.equal(printed.status, 0, printed.stderr);
  assert.match(printed.stdout, /^node:\n/);
});

test("kube-vip's command line starts the daemon: its flags, long and short, switches with and without a value", async () => {
  const line =
    'manager --controlplane --arp=true -n ha --address 10.0.0.9 --vipSubnet 24 --leaderElection --leaseDuration 20 --enableLoadBalancer --services=false --prometheusHTTPServer= --loseLeadershiptTimeoutSeconds 30';
  const { code, stdout, stderr, started } = await run(line);
  assert.deepEqual([code, stdout, stderr], [0, '', '']);
  const [settings] = started;
  assert.deepEqual(settings?.vips[0]?.addresses, [{ ip: '10.0.0.9', prefixLength: 24 }]);
  const { lease } = settings?.vips[0]?.election ?? {};
  assert.deepEqual([lease?.namespace, lease?.duration, lease?.renewDeadline], ['ha', 20_000, 10_000]);
  assert.equal(settings?.vips[0]?.loadBalancer.mode, 'auto');
  assert.equal(settings?.metrics.listen, undefined);
  assert.doesNotMatch((await run('start --help')).stdout, /leaseDuration|controlplane/);
});

test('config check, config print and manifest say on stderr what of kube-vip is otherwise, and are well all the same', async () => {
  const environment = { cp_enable: 'true', vip_arp: 'true', address: '10.0.0.9', svc_enable: 'true' };
  const said = /^vipd: warning: environment svc_enable: ignored: vipd serves the control plane and no Services; .*\n$/;
  for (const command of ['config check', 'config print', 'manifest pod']) {
    const { code, stdout, stderr } = await run(command, { environment });
    assert.equal(code, 0);
    assert.match(stderr, said);
    assert.doesNotMatch(stdout, /warning/);
  }
  const refused = await run('manager', { environment: { ...environment, bgp_enable: 'true' } });
  assert.deepEqual([refused.code, refused.started], [2, []]);
  assert.match(refused.stderr, /^vipd: environment bgp_enable: vipd announces by ARP and NDP, not by BGP; .*\n$/);
});
