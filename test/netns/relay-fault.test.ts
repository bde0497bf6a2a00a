import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { test } from 'node:test';
import { vipPort } from '../../src/lab/cluster.js';
import { execute } from '../../src/lab/execute.js';
import { until } from './poll.js';
import { prepareCluster, startVipds } from './with-cluster.js';

/** The threads of a process with this name. */
async function threadsOf(pid: number, name: string): Promise<readonly number[]> {
  const threads = (await readdir(`/proc/${pid}/task`)).map(Number);
  const names = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/comm`, 'utf8')));
  return threads.filter((_, i) => names[i] === `${name}\n`);
}

/** tgkill(2)'s number. */
const tgkill: Readonly<Record<string, number>> = { x64: 234, arm64: 131 };

/** A signal for one thread, as if it had run into a bug. */
async function faultIn(pid: number, thread: number, signal: NodeJS.Signals): Promise<void> {
  const words = [tgkill[process.arch], pid, thread, constants.signals[signal]].map(String);
  await execute('perl', [
    '-e',
    'my ($n, @rest) = map { $_ + 0 } @ARGV; syscall($n, @rest) == 0 or die "$!\\n"',
    ...words,
  ]);
}

for (const signal of ['SIGSEGV', 'SIGABRT'] as const) {
  test(`a thread of the relay that runs into a bug (${signal}): the daemon says so, gives the VIP away, and ends with 1`, async () => {
    const settings = { loadBalancer: { mode: 'proxy', ports: [vipPort], healthCheck: { type: 'tcp' } } };
    await using cluster = await prepareCluster(`fault-${signal.toLowerCase()}`, { size: 2, settings });
    const leader = await startVipds(cluster);
    const { vipd } = leader;
    assert.ok(vipd !== undefined);
    const threads = await threadsOf(vipd.pid, 'vipd-relay');
    assert.ok(threads.length >= 1);
    const began = Date.now();
    await faultIn(vipd.pid, threads.at(-1) as number, signal);
    const { code, at } = await vipd.ended;
    assert.equal(code, 1);
    const log = await readFile(leader.logs.vipd, 'utf8');
    assert.match(log, new RegExp(`relay stands still at a bug of its own, signal ${constants.signals[signal]}`));
    // By the daemon, not by the kernel after the dead-man's time: the address first, then the Lease, which the other takes.
    const gone = leader.address.removedAt();
    assert.ok(gone !== undefined && gone < at && gone - began < 2000, `${(gone ?? Number.NaN) - began} ms`);
    const next = await until(() => cluster.nodes.find((node) => node !== leader && node.address.held()), {
      within: 2000,
      what: 'the address on the other node',
    });
    assert.notEqual(next, leader);
  });
}
