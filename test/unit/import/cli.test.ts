import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../cli/fake-io.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-config-import-'));
after(() => rmSync(folder, { recursive: true }));
const files = join(import.meta.dirname, '../../../../test/unit/import/files');

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test('the file goes to stdout, what is not in it to stderr, a line each with its place', async () => {
  const keepalived = join(files, 'keepalived.conf');
  const haproxy = join(files, 'haproxy.cfg');
  const { code, stdout, stderr } = await run(`config import --keepalived ${keepalived} --haproxy ${haproxy}`);
  assert.equal(code, 0);
  assert.equal(stdout.replaceAll(`${files}/`, ''), readFileSync(join(files, 'imported.txt'), 'utf8'));
  const lines = stderr.trimEnd().split('\n');
  assert.ok(lines.length > 10);
  for (const line of lines) assert.match(line, /^vipd: \S+(keepalived\.conf|haproxy\.cfg):\d+: .+: .+/);
  assert.ok(
    lines.includes(
      `vipd: ${keepalived}:15: state MASTER: not carried over: a node starts as a backup, and the priority alone decides who leads`,
    ),
  );
});

test('a file with nothing to carry over is no failure', async () => {
  const { code, stdout, stderr } = await run(`config import --nginx ${fileOf('empty.conf', '# none\n')}`);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^vips: \[\]$/m);
});

test('what cannot be read is a sentence, exit code 2 and nothing on stdout', async () => {
  const good = fileOf('good.conf', '');
  const cases: readonly [string, RegExp][] = [
    ['', /^vipd: no file is given; name one by --keepalived, --haproxy, --nginx.*\n$/],
    [
      '--haproxy /nonexistent/haproxy.cfg',
      /^vipd: \/nonexistent\/haproxy\.cfg: the file cannot be read \(ENOENT\) \(--haproxy\); .*\n$/,
    ],
    [`--keepalived ${folder}`, /the file cannot be read \(EISDIR\) \(--keepalived\)/],
    ['--keepalived /dev/zero', /^vipd: \/dev\/zero: the file is longer than 1 MiB/],
    [`--nginx ${good} --nginx ${good}`, /^vipd: --nginx is given 2 times; name one file\n$/],
    [
      `--nginx ${good} --keepalived ${fileOf('open.conf', 'vrrp_instance V {\n')}`,
      /^vipd: \S+open\.conf:1: "vrrp_instance \{" is never closed; .*\n$/,
    ],
    [`--nginx ${good} --haproxy ${fileOf('binary.cfg', '\0\u0001')}`, /binary\.cfg:1: it is not a text file\n$/],
    ['--keepalive x', /^vipd: vipd config import has no flag --keepalive; did you mean --keepalived\?\n$/],
  ];
  for (const [words, sentence] of cases) {
    const { code, stdout, stderr } = await run(`config import ${words}`);
    assert.deepEqual([code, stdout], [2, ''], words);
    assert.match(stderr, sentence);
  }
});
