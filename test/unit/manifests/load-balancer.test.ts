import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../cli/fake-io.js';

const first = readFileSync(join(import.meta.dirname, '../../../../manifests/load-balancer.yaml'), 'utf8');
/** The same file as its comments have it on the second host. */
const second = first.replace(
  /(\w+: )\S+( # on the second host: )(.+)$/gm,
  (_, key, words, value) => key + value + words,
);
const folder = mkdtempSync(join(tmpdir(), 'vipd-manifest-'));
after(() => rmSync(folder, { recursive: true }));

for (const [host, text] of [
  ['the first host', first],
  ['the second host', second],
  ['the second host, with all that is commented out', second.replace(/# (?=unicastPeers|track|notify)/g, '')],
] as const) {
  test(`the load balancers’ file is right on ${host}`, async () => {
    const file = join(folder, 'vipd.yaml');
    writeFileSync(file, text);
    const { code, stderr } = await run(`config check --config ${file}`);
    assert.deepEqual([code, stderr], [0, '']);
  });
}

test('the file says in what the hosts differ', () => {
  assert.match(second, /priority: 100 #/);
  assert.match(second, /unicastPeers: \[192\.168\.1\.11\] #/);
});
