import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
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
