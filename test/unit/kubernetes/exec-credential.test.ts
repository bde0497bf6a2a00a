import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { runExecPlugin } from '../../../src/kubernetes/exec-credential.js';
import { createFakeClock } from '../../fakes/clock.js';
import { until } from '../../netns/poll.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vipd-exec-'));
});
after(() => rm(folder, { recursive: true }));

async function plugin(script: string) {
  const command = join(folder, `plugin-${Math.random()}`);
  await writeFile(command, `#!/bin/sh\n${script}\n`);
  await chmod(command, 0o755);
  return command;
}

test('a plugin is run with its arguments and environment, and what it prints is taken', async () => {
  const command = await plugin(`
    case $KUBERNETES_EXEC_INFO in *client.authentication.k8s.io/v1*) ;; *) exit 1 ;; esac
    echo '{"status":{"token":"'$1-$WHO'","clientKeyData":"KEY"}}'`);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', args: ['a'], env: [{ name: 'WHO', value: 'me' }] };
  assert.deepEqual(await runExecPlugin({ ...exec, command }, createFakeClock()), {
    token: 'a-me',
    certificate: undefined,
    key: 'KEY',
  });
});

test('what goes wrong with a plugin is a sentence with its name', async () => {
  const failing = await plugin('echo "log in first" >&2; exit 3');
  await assert.rejects(runExecPlugin({ command: failing }, createFakeClock()), /failed: 3 log in first/);
  const silent = await plugin('echo hello');
  await assert.rejects(runExecPlugin({ command: silent }, createFakeClock()), /printed no ExecCredential/);
  await assert.rejects(runExecPlugin({ command: '/gone' }, createFakeClock()), /\/gone \(exec .*failed: .*ENOENT/);
  await assert.rejects(runExecPlugin({}, createFakeClock()), /has no command/);
});

test('a plugin that hangs is killed after 10 s, with its children', async () => {
  const file = join(folder, 'pids');
  const command = await plugin(`sleep 1000 & echo $$ $! > ${file}.new; mv ${file}.new ${file}; wait`);
  const clock = createFakeClock();
  const ended = assert.rejects(
    runExecPlugin({ command }, clock),
    /\(exec of the kubeconfig\) gave no credentials in 10 s and was killed/,
  );
  const pids = await until(() => readFile(file, 'utf8').catch(() => undefined), { what: 'the plugin to run' });
  clock.advance(10_000);
  await ended;
  for (const pid of pids.trim().split(' ')) {
    const state = () => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    await until(async () => / Z/.test((await state()).replace(/.*\)/, '')), { what: `process ${pid} to end` });
  }
});

/** Asks a program for credentials with up to so many descriptors free, then with all; a line for each. */
const script = `
  const { runExecPlugin } = await import(process.argv[1]);
  const { createSystemClock } = await import(process.argv[2]);
  const { closeSync, openSync } = await import('node:fs');
  const credential = JSON.stringify({ status: { token: 'secret' } });
  const ask = () => runExecPlugin({ command: '/bin/echo', args: [credential] }, createSystemClock(() => performance.now()));
  const say = (free) => ask().then(({ token }) => console.log(free, token), (error) => console.log(free, String(error)));
  await say('all');
  const open = [];
  try { for (;;) open.push(openSync('/dev/null')); } catch {}
  for (let free = 0; free < 4; free++) {
    await say(free);
    closeSync(open.pop());
  }
  for (const fd of open) closeSync(fd);
  await say('all');`;

test('without descriptors for its pipes a plugin fails in a sentence, and is asked again when there are some', async () => {
  const modules = ['kubernetes/exec-credential.js', 'time/system-clock.js'].map((path) =>
    import.meta.resolve(`../../../src/${path}`),
  );
  const words = [process.execPath, '--input-type=module', '-e', script, ...modules];
  const { stdout } = await promisify(execFile)('prlimit', ['--nofile=64:64', '--', ...words]);
  const refused = 'Error: /bin/echo (exec of the kubeconfig) failed: spawn /bin/echo EMFILE';
  const expected = ['all secret', ...[0, 1, 2, 3].map((free) => `${free} ${refused}`), 'all secret'];
  assert.deepEqual(stdout.trimEnd().split('\n'), expected);
});
