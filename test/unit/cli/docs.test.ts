import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { startAdminServer } from '../../../src/admin/server.js';
import { createFakeControl } from '../admin/fake-control.js';
import { run } from './fake-io.js';

const repository = join(import.meta.dirname, '../../../..');
const folder = mkdtempSync(join(tmpdir(), 'vipd-docs-'));
after(() => rmSync(folder, { recursive: true }));

const documents = [
  'README.md',
  ...readdirSync(join(repository, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Every line of the shell blocks that begins with the word. */
function commands(word: string): { readonly document: string; readonly line: string }[] {
  return documents.flatMap((document) => {
    const blocks = readFileSync(join(repository, document), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms);
    const lines = [...blocks].flatMap(([, block = '']) => block.split('\n'));
    return lines.filter((line) => line.startsWith(`${word} `)).map((line) => ({ document, line }));
  });
}

/** The file of the repository that stands for one that people have. */
function standIns(name: string): string {
  return name === '/etc/vipd/vipd.yaml' ? 'manifests/vipd.yaml' : join('test/unit/import/files', basename(name));
}

test('what the documents tell people to type works', async () => {
  const found = commands('vipd');
  assert.ok(found.length >= 10, `${found.length} commands found`);
  const path = join(folder, 'vipd.sock');
  await using _ = await startAdminServer({ path, control: createFakeControl() });
  for (const { document, line } of found) {
    const words = line
      .replace(/^vipd | > \S+$/g, '')
      .replace(/\/etc\/\S+/g, (name) => join(repository, standIns(name)));
    const { code, stderr } = await run(words, { environment: { VIPD_ADMIN_SOCKET: path } });
    // An import says on stderr what it left out.
    const complaint = words.startsWith('config import ') ? stderr.replace(/^vipd: \S+:\d+: .+: .+\n/gm, '') : stderr;
    assert.deepEqual([code, complaint], [0, ''], `${document}: ${line}`);
  }
});

test('what the documents tell people to send to the socket is taken', async () => {
  const found = commands('curl').filter(({ line }) => line.includes('--unix-socket'));
  assert.ok(found.length >= 4, `${found.length} commands found`);
  const socketPath = join(folder, 'curl.sock');
  await using _ = await startAdminServer({ path: socketPath, control: createFakeControl() });
  for (const { document, line } of found) {
    const [, path = ''] = /http:\/\/vipd(\/\S+)$/.exec(line) ?? [];
    const [, body = ''] = /-d '(.*?)'/.exec(line) ?? [];
    const method = body !== '' || line.includes('-X POST') ? 'POST' : 'GET';
    const asking = request({ socketPath, path, method });
    asking.end(body);
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 200, `${document}: ${line}`);
  }
});
