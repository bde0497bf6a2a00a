import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { openLogOutput } from '../../../src/telemetry/log-output.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-log-'));
after(() => rmSync(folder, { recursive: true }));
const compiled = join(import.meta.dirname, '../../../src/telemetry/log-output.js');

/** Writes 3,000 lines of a kilobyte to its own standard output and tells on standard error how many were taken. */
const writer = `
import { openLogOutput } from ${JSON.stringify(compiled)};
const output = openLogOutput(1, process.stdout);
let taken = 0;
for (let i = 0; i < 3000; i++) {
  if (output.write('x'.repeat(1023) + '\\n')) taken++;
  if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
}
process.stderr.write(String(taken), () => process.exit(0));
`;

function runWriter(stdout: number) {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module'], {
    input: writer,
    stdio: ['pipe', stdout, 'pipe'],
    encoding: 'utf8',
    timeout: 10_000,
  });
  return { status, taken: Number(stderr) };
}

function fifo(name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

test('a pipe that nobody empties neither blocks nor fills the memory', () => {
  const pipe = openSync(fifo('full'), 'r+');
  const { status, taken } = runWriter(pipe);
  closeSync(pipe);
  assert.equal(status, 0);
  assert.ok(taken > 10 && taken < 1000, `${taken} lines were taken`);
});

test('a pipe whose reader is gone is borne', () => {
  const path = fifo('closed');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const pipe = openSync(path, 'w');
  closeSync(reader);
  const { status, taken } = runWriter(pipe);
  closeSync(pipe);
  assert.equal(status, 0);
  assert.ok(taken < 1000, `${taken} lines were taken`);
});

test('a file gets every line, a full disk takes none', () => {
  const path = join(folder, 'log');
  const file = openSync(path, 'w');
  const output = openLogOutput(file, new PassThrough());
  assert.equal(output.write('one\n') && output.write('two\n'), true);
  closeSync(file);
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
  const full = openSync('/dev/full', 'w');
  assert.equal(openLogOutput(full, new PassThrough()).write('one\n'), false);
  closeSync(full);
});
