import assert from 'node:assert/strict';
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { findRealServer } from '../../src/lab/api/real-server.js';
import { until } from '../netns/poll.js';
import { program } from '../netns/program.js';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '../../..');
const noRoot = process.getuid?.() === 0 ? false : 'needs root';
const noRealServer =
  noRoot || (findRealServer(process.env.KUBEBUILDER_ASSETS) === undefined ? 'no kube-apiserver here' : false);

interface Told {
  readonly code: number | null;
  readonly output: string;
  readonly complaint: string;
  /** The lines of the closing table. */
  readonly table: readonly string[];
}

function startLab(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const env = { ...process.env, KUBEBUILDER_ASSETS: '' };
  return spawn(program.node, [program.script, 'lab', ...args], { env, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function listen(child: ChildProcess): Promise<Told> {
  const [output, complaint, [code]] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stderr as Readable),
    once(child, 'exit'),
  ]);
  const lines = output.split('\n');
  const table = lines.slice(lines.findIndex((line) => /^ {2}step +what +figure +limit$/.test(line)) + 1);
  return { code, output, complaint, table: table.filter((line) => /^[✓✗]/.test(line)) };
}

function assertAllGreen({ code, output, complaint, table }: Told): void {
  assert.equal(code, 0, `${output}\n${complaint}`);
  assert.ok(table.length >= 12 && table.every((line) => line.startsWith('✓')), output);
  const outage = Number(/outage, connections +(\d+) ms +< 5500 ms/.exec(output)?.[1]);
  // The others wait for the Lease to expire: much less would mean that somebody took it too early.
  assert.ok(outage > 2500 && outage < 5500, output);
}

/** Runs the lab as the user nobody, with this search path. */
async function asOrdinaryUser(path: string): Promise<Told> {
  // The checkout may lie where nobody else can look: they see it in another place.
  const place = await mkdtemp(join(tmpdir(), 'vipd-checkout-'));
  await chmod(place, 0o755);
  const lines = [
    `mount --bind '${repository}' ${place}`,
    `exec env -i PATH='${path}' setpriv --reuid 65534 --regid 65534 --clear-groups ${program.node} ${place}/dist/vipd.js lab`,
  ];
  try {
    return await listen(spawn('unshare', ['-m', 'sh', '-ec', lines.join('\n')], { stdio: ['ignore', 'pipe', 'pipe'] }));
  } finally {
    await rmdir(place);
  }
}

/** The namespaces of one lab that are still there. */
function namespacesOf(owner: number | undefined): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(`vipd-${owner}-`)) : [];
}

/** The command lines of processes that were started for this lab: its folder is among their arguments. */
function processesOf(folder: string): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(commandLine).filter((line) => line.includes(folder));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It ended meanwhile.
  }
}

describe('the lab', { concurrency: 1 }, () => {
  test('every step is green, --keep leaves all of it up, one kill removes it', { skip: noRoot }, async () => {
    const told = await listen(startLab(['--keep']));
    const owner = Number(/remove it all +kill (\d+)/.exec(told.output)?.[1]);
    assert.ok(owner > 0, told.output + told.complaint);
    const client = /a shell on the client +ip netns exec (\S+) bash/.exec(told.output)?.[1] ?? '';
    const folder = /tail -f (\S+)\/cp1\.vipd\.log/.exec(told.output)?.[1] ?? '';
    try {
      assertAllGreen(told);
      assert.ok(processesOf(folder).length >= 7, 'three vipds, three API servers and a store');
      const seen = await run('ip', ['netns', 'exec', client, 'ip', 'address']);
      assert.match(seen.stdout, /10\.77\.0\.50/);
      const status = await run(program.node, [program.script, 'status', '--admin-socket', join(folder, 'cp2.sock')]);
      assert.match(status.stdout, /leader +cp[123]/);
    } finally {
      process.kill(owner, 'SIGTERM');
    }
    await until(() => namespacesOf(owner).length === 0 && !existsSync(folder), { what: 'the end of the kept lab' });
    assert.deepEqual(processesOf(folder), []);
  });

  test('without root it runs in a user namespace', { skip: noRoot }, async () => {
    assertAllGreen(await asOrdinaryUser(process.env.PATH ?? ''));
  });

  test('a step that is broken on purpose fails the lab', { skip: noRoot }, async () => {
    const child = startLab(['--without-vipd', 'cp2', '--without-vipd', 'cp3']);
    const { code, output, table } = await listen(child);
    assert.equal(code, 1, output);
    assert.ok(
      table.some((line) => /^✓ balance/.test(line)),
      output,
    );
    assert.ok(
      table.some((line) => /^✗ leader killed/.test(line)),
      output,
    );
    assert.ok(
      table.some((line) => /^✗ hand-over +not reached/.test(line)),
      output,
    );
    assert.deepEqual(namespacesOf(child.pid), []);
    const logs = /The logs are in (\S+)/.exec(output)?.[1] ?? '';
    assert.ok(existsSync(join(logs, 'cp1.vipd.log')), output);
    await rm(logs, { recursive: true });
  });

  for (const [moment, pattern] of [
    ['while it is built', /^$/],
    ['in the middle of the story', /300 requests/],
  ] as const) {
    test(`Ctrl-C ${moment} removes everything`, { skip: noRoot }, async () => {
      const child = startLab([]);
      let output = '';
      child.stdout?.on('data', (chunk) => {
        output += chunk;
      });
      await until(() => namespacesOf(child.pid).length > 2 && pattern.test(output.trim()), {
        within: 60_000,
        every: 5,
        what: `the lab ${moment}`,
      });
      child.kill('SIGINT');
      const [code] = await once(child, 'close');
      assert.equal(code, 1);
      assert.match(output, /Interrupted; all of it is removed/);
      assert.deepEqual(namespacesOf(child.pid), []);
    });
  }

  test('a machine that forbids user namespaces is told so in one sentence', { skip: noRoot }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vipd-unshare-'));
    await chmod(folder, 0o755);
    const refusal = 'unshare: unshare failed: Operation not permitted';
    await writeFile(join(folder, 'unshare'), `#!/bin/sh\necho '${refusal}' >&2\nexit 1\n`, { mode: 0o755 });
    try {
      const { code, output, complaint } = await asOrdinaryUser(`${folder}:${process.env.PATH}`);
      assert.equal(code, 1);
      assert.equal(output, '');
      assert.equal(
        complaint,
        `vipd: the lab needs root, or user namespaces, which this machine forbids (${refusal})\n`,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('on etcd and kube-apiserver every step is green too', { skip: noRealServer }, async () => {
    const told = await listen(startLab(['--api', 'real']));
    assertAllGreen(told);
    assert.match(told.output, /etcd and kube-apiserver, Kubernetes v/);
  });
});
