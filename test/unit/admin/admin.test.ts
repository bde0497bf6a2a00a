import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { askStatus } from '../../../src/admin/client.js';
import { startAdminServer } from '../../../src/admin/server.js';
import { createFakeClock } from '../../fakes/clock.js';
import { statusExample } from '../telemetry/status-example.js';
import { createFakeControl } from './fake-control.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-admin-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${count++}.sock`);
const control = createFakeControl();

/** What a daemon that was killed leaves: a socket that nobody listens on. */
async function leaveSocket(path: string): Promise<void> {
  const server = await listen(createServer(), `${path}.first`);
  renameSync(`${path}.first`, path);
  server.close();
  await once(server, 'close');
}

async function listen<S extends Server>(server: S, path: string): Promise<S> {
  server.listen(path);
  await once(server, 'listening');
  return server;
}

test('the daemon tells its status on a socket for root and its group, and takes the socket away', async () => {
  const path = join(folder, 'run/vipd/vipd.sock');
  {
    await using _ = await startAdminServer({ path, control });
    assert.deepEqual(await askStatus(path), { ok: true, status: JSON.parse(JSON.stringify(statusExample)) });
    assert.equal(statSync(path).mode & 0o777, 0o660);
  }
  assert.equal(existsSync(path), false);
});

test('other paths and methods get JSON that says so', async () => {
  const path = newPath();
  await using _ = await startAdminServer({ path, control });
  const ask = (url: string, method: string) =>
    new Promise<string>((resolve, reject) => {
      const asking = request({ socketPath: path, path: url, method }, async (response) => {
        resolve(`${response.statusCode} ${((await json(response)) as { error: string }).error}`);
      });
      asking.on('error', reject);
      asking.end();
    });
  assert.equal(await ask('/', 'GET'), '404 not-found');
  assert.equal(await ask('/v1/status/', 'GET'), '404 not-found');
  assert.equal(await ask('/v1/status', 'DELETE'), '405 method-not-allowed');
});

test('the socket of a dead daemon is replaced', async () => {
  const path = newPath();
  await leaveSocket(path);
  await using _ = await startAdminServer({ path, control });
  assert.equal((await askStatus(path)).ok, true);
});

test('a second daemon is refused, even when the first hangs, and does the first no harm', async () => {
  const path = newPath();
  await using _ = await startAdminServer({ path, control });
  await assert.rejects(startAdminServer({ path, control }), /^Error: another vipd runs here: it answers on /);
  assert.equal((await askStatus(path)).ok, true);
  const hanging = await listen(createServer(), newPath());
  await assert.rejects(startAdminServer({ path: String(hanging.address()), control }), /another vipd runs here/);
  hanging.close();
});

test('a file that is no socket is left alone, and a place that cannot be is named', async () => {
  const path = newPath();
  writeFileSync(path, 'precious');
  await assert.rejects(startAdminServer({ path, control }), /exists and is not a socket; choose another path/);
  assert.equal(readFileSync(path, 'utf8'), 'precious');
  await assert.rejects(
    startAdminServer({ path: join(path, 'below', 'vipd.sock'), control }),
    /the directory of .* cannot be made/,
  );
});

test('no daemon, or a dead one, is not running', async () => {
  const path = newPath();
  const expected = { ok: false, refusal: 'not-running', message: `vipd is not running (no answer on ${path})` };
  assert.deepEqual(await askStatus(path), expected);
  await leaveSocket(path);
  assert.deepEqual(await askStatus(path), expected);
});

test('a daemon that hangs is told from one that is not there', async () => {
  const path = newPath();
  const hanging = await listen(createServer(), path);
  assert.deepEqual(await askStatus(path, 50), {
    ok: false,
    refusal: 'no-answer',
    message: `vipd did not answer on ${path} within 0.05s: it runs, but hangs`,
  });
  hanging.close();
});

test('an answer that is not a status is refused', async () => {
  const answers = ['{"x":1}', 'null', 'not json', ''];
  const path = newPath();
  const server = await listen(
    createHttpServer((_request, response) => response.end(answers.shift())),
    path,
  );
  for (let left = answers.length; left > 0; left--) {
    const answer = await askStatus(path);
    assert.equal(!answer.ok && answer.refusal, 'no-answer');
  }
  server.close();
});

test('who may not open the socket is told so', async (t) => {
  const path = newPath();
  await using _ = await startAdminServer({ path, control });
  let answer: unknown;
  if (process.getuid?.() === 0) {
    // The client's own code as an ordinary user, given as text: this repository may be out of that user's sight.
    chmodSync(folder, 0o755);
    const client = readFileSync(join(import.meta.dirname, '../../../src/admin/client.js'), 'utf8');
    const input = `${client.replace(/^\/\/# .*$/m, '')}\nprocess.stdout.write(JSON.stringify(await askStatus(${JSON.stringify(path)})));`;
    const { stdout, error } = spawnSync(process.execPath, ['--input-type=module'], {
      input,
      uid: 65534,
      gid: 65534,
      cwd: '/',
      encoding: 'utf8',
    });
    if (error !== undefined) return t.diagnostic(`node cannot run as another user here: ${error.message}`);
    answer = JSON.parse(stdout);
  } else {
    chmodSync(path, 0);
    answer = await askStatus(path);
  }
  assert.deepEqual(answer, {
    ok: false,
    refusal: 'forbidden',
    message: `this user may not open ${path}; use root, or a user in the group of the socket`,
  });
});

test('sockets of processes that were killed in an upgrade are removed, and nothing else', async () => {
  const path = newPath();
  const dead = [`${path}~123`, `${path}.0123abcd`];
  for (const one of dead) await leaveSocket(one);
  const stays = [`${path}~456`, `${path}~789`, `${path}.old`];
  const living = await listen(createServer(), stays[0] as string);
  writeFileSync(stays[1] as string, '');
  await leaveSocket(stays[2] as string);
  {
    await using _ = await startAdminServer({ path, control });
    assert.deepEqual(dead.filter(existsSync), []);
    assert.deepEqual(stays.filter(existsSync), stays);
  }
  living.close();
});

test('who never asks to the end does not hold a server that leaves', async () => {
  const path = newPath();
  const clock = createFakeClock();
  const server = await startAdminServer({ path, control });
  const silent = connect(path);
  await once(silent, 'connect');
  const slow = connect(path);
  slow.write('POST /v1/reload HTTP/1.1\r\nHost: vipd\r\nContent-Length: 10\r\n\r\n{');
  // Whoever is answered shows that the server has met them both.
  await askStatus(path);
  const left = server.leave(clock);
  const hungUp = Promise.all([once(silent, 'close'), once(slow, 'close')]);
  clock.advance(5_000);
  await Promise.all([left, hungUp]);
});
