import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadClusterCa } from '../../../src/kubernetes/credentials.js';
import { kubeconfigText } from '../../../src/lab/api/kubeconfig.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vipd-ca-'));
});
after(() => rm(folder, { recursive: true }));

async function caOf(edit: (text: string) => string) {
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, edit(kubeconfigText({ server: 'https://cp1:6443', caPem: 'PEM', token: 't' })));
  return loadClusterCa({ kubeconfig });
}

const instead = (line: string) => (text: string) => text.replace(/certificate-authority-data: .*/, line);

test('the CA of a kubeconfig is in it, in a file beside it, or the system’s; each call reads it anew', async () => {
  assert.deepEqual(await caOf((text) => text), { ok: true, pem: 'PEM' });
  await writeFile(join(folder, 'ca.crt'), 'one');
  const beside = instead('certificate-authority: ca.crt');
  assert.deepEqual(await caOf(beside), { ok: true, pem: 'one' });
  await writeFile(join(folder, 'ca.crt'), 'two');
  assert.deepEqual(await caOf(beside), { ok: true, pem: 'two' });
  assert.deepEqual(await caOf(instead('')), { ok: true, pem: undefined });
});

test('a kubeconfig that cannot say what to trust is refused with a sentence', async () => {
  assert.deepEqual(await caOf(instead('insecure-skip-tls-verify: true')), {
    ok: false,
    detail: 'the kubeconfig has no CA: it says insecure-skip-tls-verify',
  });
  assert.deepEqual(await caOf((text) => text.replace('current-context: lab', 'current-context: other')), {
    ok: false,
    detail: 'the kubeconfig has no cluster in its current context',
  });
  for (const result of [
    await caOf(instead('certificate-authority: gone.crt')),
    await caOf(() => '{'),
    loadClusterCa({ kubeconfig: join(folder, 'gone') }),
  ]) {
    assert.ok(!result.ok && result.detail.length > 0);
  }
});

test('a program or a token that the kubeconfig names is not needed for its CA', async () => {
  const users = (user: string) => (text: string) => text.replace(/user:\n {6}token: .*/, `user: ${user}`);
  assert.deepEqual(await caOf(users('{ tokenFile: gone }')), { ok: true, pem: 'PEM' });
  const exec = '{ exec: { apiVersion: client.authentication.k8s.io/v1, command: /gone, interactiveMode: Never } }';
  assert.deepEqual(await caOf(users(exec)), { ok: true, pem: 'PEM' });
});
