import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPrograms } from '../../../../src/kernel/linux/programs.js';
import { millis } from '../../../../src/time/instant.js';
import { createSystemClock } from '../../../../src/time/system-clock.js';

const clock = createSystemClock(() => performance.now());
const programs = createPrograms('/usr/sbin:/usr/bin:/sbin:/bin', clock);
const folder = mkdtempSync(join(tmpdir(), 'vipd-programs-'));
after(() => rmSync(folder, { recursive: true }));
const long = millis(30_000);

async function endOf(command: readonly string[], timeout = long) {
  return programs.run(command, timeout, 'nothing').ended;
}

test('exit status, signal, and what cannot be run', async () => {
  assert.deepEqual(await endOf(['/bin/true']), { kind: 'exit', status: 0 });
  assert.deepEqual(await endOf(['sh', '-c', 'exit 7']), { kind: 'exit', status: 7 });
  assert.deepEqual(await endOf(['sh', '-c', 'kill -9 $$']), { kind: 'signal', signal: 'SIGKILL' });
  assert.deepEqual(await endOf(['/no/such/program']), { kind: 'not-started', code: 'ENOENT' });
  assert.deepEqual(await endOf(['/etc/passwd']), { kind: 'not-started', code: 'EACCES' });
  assert.deepEqual(await endOf(['/etc/passwd/x']), { kind: 'not-started', code: 'ENOTDIR' });
  const busy = join(folder, 'busy');
  writeFileSync(busy, '#!/bin/sh\n', { mode: 0o755 });
  const writer = await open(busy, 'r+');
  assert.deepEqual(await endOf([busy]), { kind: 'not-started', code: 'ETXTBSY' });
  await writer.close();
  assert.deepEqual(await endOf([busy]), { kind: 'exit', status: 0 });
});

test('words reach the program as they are: no shell reads them', async () => {
  const file = join(folder, 'words');
  await endOf(['sh', '-c', 'printf "%s|" "$@" > "$0"', file, 'a b', '$HOME', ';']);
  assert.equal(await readFile(file, 'utf8'), 'a b|$HOME|;|');
});

test('who takes too long is ended with all its children, also one that does not want to', async () => {
  const file = join(folder, 'child');
  const stubborn = `trap '' TERM; sh -c 'trap "" TERM; echo $$ > ${file}; sleep 600 & wait; sleep 600' & wait; sleep 600`;
  const run = programs.run(['sh', '-c', stubborn], millis(300), 'nothing');
  assert.deepEqual(await run.ended, { kind: 'timeout' });
  await run.gone;
  const child = (await readFile(file, 'utf8')).trim();
  // The kernel ends it soon; its new parent reaps it.
  for (let i = 0; i < 500 && isAlive(child); i++) await sleep(10);
  assert.equal(isAlive(child), false);
});

test('what a program leaves behind ends with it, or goes on, as the caller wants', async () => {
  for (const leaves of ['nothing', 'children'] as const) {
    const file = join(folder, leaves);
    const command = ['sh', '-c', `sleep 600 & echo $! > ${file}`];
    const run = programs.run(command, long, leaves);
    assert.deepEqual(await run.ended, { kind: 'exit', status: 0 });
    const child = (await readFile(file, 'utf8')).trim();
    if (leaves === 'nothing') for (let i = 0; i < 500 && isAlive(child); i++) await sleep(10);
    assert.equal(isAlive(child), leaves === 'children');
    run.kill();
  }
});

function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}/fd/0`);
}

test('why a program could not be run', async () => {
  const plain = join(folder, 'plain');
  writeFileSync(plain, '');
  assert.equal(await programs.refusal(['true']), undefined);
  assert.equal(await programs.refusal(['/bin/true', 'x']), undefined);
  assert.equal(await programs.refusal(['no-such-program']), 'ENOENT');
  assert.equal(await programs.refusal([folder]), 'EACCES');
  assert.equal(await programs.refusal([plain]), 'EACCES');
});
