import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { askStatus } from '../../src/admin/client.js';
import { createAuthority } from '../../src/lab/certificates.js';
import { type Daemon, startDaemon } from '../../src/lab/daemon.js';
import { createNetwork, type Host } from '../../src/lab/network.js';
import { until } from './poll.js';
import { program } from './program.js';
import { startStandIn } from './stand-in.js';

// docs/migrating.md, "Host by host": the files of kubeadm's guide, two hosts, clients all the while.

const vip = '192.168.1.100';
const files = join(import.meta.dirname, '../../../test/unit/import/files');
const guide = (name: string) => readFile(join(files, name), 'utf8');

/** Connects every 20 ms, speaks TLS, asks, and says on each line when that began and how it ended. */
const clientScript = `
const https = require('node:https');
setInterval(() => {
  const began = Date.now();
  const end = (word) => console.log(began + ' ' + word);
  const request = https.get({ host: '${vip}', port: 8443, path: '/healthz', agent: false, rejectUnauthorized: false, timeout: 1000 }, (response) => {
    response.resume().on('end', () => end(response.statusCode));
  });
  request.on('timeout', () => request.destroy(new Error('timeout'))).on('error', (error) => end(error.code ?? error.message));
}, 20);
`;

interface Answer {
  readonly at: number;
  readonly word: string;
}

/** From the last good answer before something failed to the first good one after it, at most, in milliseconds. */
function longestOutage(answers: readonly Answer[]): number {
  const good = answers.filter(({ word }) => word === '200').map(({ at }) => at);
  const bad = answers.filter(({ word }) => word !== '200').map(({ at }) => at);
  return Math.max(
    0,
    ...bad.map((at) => Math.min(...good.filter((g) => g > at)) - Math.max(...good.filter((g) => g < at))),
  );
}

/** `200 57, ECONNREFUSED 2`. */
function words(answers: readonly Answer[]): string {
  const kinds = [...new Set(answers.map(({ word }) => word))];
  return kinds.map((kind) => `${kind} ${answers.filter(({ word }) => word === kind).length}`).join(', ');
}

test('two hosts with keepalived and HAProxy become two hosts with vipd, one after the other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('migrate', process.pid);
  try {
    const addHost = (name: string, number: number) => network.addHost(name, `192.168.1.${number}/24`);
    const hosts = await Promise.all([addHost('lb1', 11), addHost('lb2', 12)]);
    const [first, second] = hosts as [Host, Host];
    const client = await addHost('client', 50);
    const authority = await createAuthority('kubernetes', new Date());
    for (const [i, name] of ['cp1', 'cp2', 'cp3'].entries()) {
      const host = await addHost(name, 101 + i);
      const own = await mkdtemp(join(folder, name));
      await startStandIn(host, own, await authority.issue({ commonName: name, ips: [host.ip] }), 200);
    }

    // What both hosts have, as the guide has it; only state and priority differ.
    const haproxy = join(folder, 'haproxy.cfg');
    await writeFile(haproxy, await guide('haproxy.cfg'));
    const keepalivedOf = (host: Host) => join(folder, `${host.name}.keepalived.conf`);
    const text = await guide('keepalived.conf');
    await writeFile(keepalivedOf(first), text);
    await writeFile(
      keepalivedOf(second),
      text.replace('state MASTER', 'state BACKUP').replace('priority 101', 'priority 100'),
    );
    const log = (host: Host, what: string) => join(folder, `${host.name}.${what}.log`);
    const startOld = (host: Host) => {
      const pids = ['-p', join(folder, `${host.name}.pid`), '-r', join(folder, `${host.name}.vrrp.pid`)];
      return Promise.all([
        startDaemon(host, 'keepalived', ['-n', '-l', '-D', '-P', '-f', keepalivedOf(host), ...pids], log(host, 'old')),
        startDaemon(host, 'haproxy', ['-db', '-f', haproxy], log(host, 'haproxy')),
      ]);
    };
    const stop = async (daemons: readonly Daemon[]) => {
      for (const daemon of daemons) daemon.signal('SIGTERM');
      await Promise.all(daemons.map((daemon) => daemon.ended));
    };
    const holds = async (host: Host) => (await host.addresses()).some(({ ip }) => ip === vip);
    const vipdOf = (host: Host, ...args: readonly string[]) => host.run(program.node, [program.script, ...args]);
    const configOf = (host: Host) => join(folder, `${host.name}.vipd.yaml`);
    const socketOf = (host: Host) => join(folder, `${host.name}.sock`);
    /** As docs/migrating.md has it. */
    const swap = async (host: Host, old: readonly Daemon[]): Promise<Daemon> => {
      const sources = ['--keepalived', keepalivedOf(host), '--haproxy', haproxy];
      const yaml = await vipdOf(host, 'config', 'import', ...sources);
      const mine = `admin: { socket: ${socketOf(host)} }\nmetrics: { listen: "off" }\nnode: { name: ${host.name} }\n`;
      await writeFile(configOf(host), yaml + mine);
      await vipdOf(host, 'config', 'check', '--config', configOf(host));
      await stop(old);
      const command = [program.script, 'start', '--config', configOf(host)];
      return startDaemon(host, program.node, command, log(host, 'vipd'));
    };
    const status = async (host: Host) => {
      const answer = await askStatus(socketOf(host));
      return answer.ok ? answer.status.vips[0] : undefined;
    };

    const [oldFirst, oldSecond] = await Promise.all([startOld(first), startOld(second)]);
    await until(() => holds(first), { what: 'lb1 to have the VIP' });
    const answers: Answer[] = [];
    const asking = client.spawn(program.node, ['-e', clientScript], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(asking.stdout);
    createInterface({ input: asking.stdout }).on('line', (line) => {
      const [at, word = ''] = line.split(' ');
      answers.push({ at: Number(at), word });
    });
    await until(() => answers.filter(({ word }) => word === '200').length > 20, { what: 'answers through HAProxy' });
    answers.length = 0;

    // The backup first: its clients are none.
    await swap(second, oldSecond);
    const follower = await until(
      async () => {
        const is = await status(second);
        return is?.vrrp?.state === 'BACKUP' && is.vrrp.priority === 100 && is.vrrp.master !== undefined
          ? is
          : undefined;
      },
      { what: 'vipd on lb2 to follow keepalived, its backends up' },
    );
    assert.deepEqual(follower.vrrp?.master, { address: '192.168.1.11', priority: 101 });
    assert.equal(follower.alarm, undefined);
    const complaints = (await readFile(log(first, 'old'), 'utf8')).match(/.*(invalid|mismatch|expected|wrong).*/gi);
    assert.equal(complaints, null);
    assert.deepEqual(
      answers.filter(({ word }) => word !== '200'),
      [],
    );

    // Then the master: lb2 takes over within its skew time, 0.6 s.
    const newFirst = await swap(first, oldFirst);
    await until(() => holds(second), { what: 'lb2 to take over' });
    const swapped = answers.length;
    await until(() => answers.length > swapped + 60, { what: 'more answers' });
    const outage = longestOutage(answers);
    assert.ok(outage < 1500, `${outage} ms without an answer; priority 0 and the skew time are 610 ms`);
    console.log(`  the master swapped: ${outage} ms without an answer`);

    // Who comes back with the higher priority takes the VIP from the living.
    answers.length = 0;
    await until(async () => (await holds(first)) && !(await holds(second)), {
      within: 20_000,
      what: 'lb1 to have the VIP again',
    });
    const back = answers.length;
    await until(() => answers.length > back + 60, { what: 'more answers' });
    console.log(`  lb1 preempts: ${words(answers)}, longest ${longestOutage(answers)} ms`);
    assert.ok(longestOutage(answers) < 300, words(answers));
    assert.equal((await status(first))?.role, 'leader');
    assert.equal((await status(second))?.role, 'follower');

    // And the next hand-over is between two vipds.
    answers.length = 0;
    newFirst.signal('SIGTERM');
    await newFirst.ended;
    await until(async () => (await holds(second)) && !(await holds(first)), { what: 'lb2 to take over' });
    const over = answers.length;
    await until(() => answers.length > over + 60, { what: 'more answers' });
    console.log(`  vipd stops: ${words(answers)}, longest ${longestOutage(answers)} ms`);
    assert.ok(longestOutage(answers) < 300, words(answers));
    asking.kill('SIGKILL');
    await once(asking, 'exit');
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});
