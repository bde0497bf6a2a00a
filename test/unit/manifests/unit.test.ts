import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const repository = join(import.meta.dirname, '../../../..');
const unit = join(repository, 'manifests/vipd.service');
const folder = mkdtempSync(join(tmpdir(), 'vipd-unit-'));
after(() => rmSync(folder, { recursive: true }));

const analyze = (...args: readonly string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, SYSTEMD_COLORS: '0' } });
const isMissing = analyze('--version').error !== undefined;
const skip = isMissing && 'needs systemd-analyze; as root scripts/setup.mjs installs it (Debian package systemd)';

test('systemd finds nothing wrong with the unit', { skip }, () => {
  // It looks for the program, which is not installed here.
  const command = join(repository, 'dist/vipd.js');
  const path = join(folder, 'vipd.service');
  writeFileSync(path, readFileSync(unit, 'utf8').replace(/^(Exec\w+)=vipd /gm, `$1=${command} `));
  const { status, stderr } = analyze('verify', '--man=no', path);
  const complaints = stderr.split('\n').filter((line) => line.includes('vipd'));
  assert.deepEqual([status, complaints], [0, []]);
});

test('what the unit is exposed to is at most 2.1 of 10, says systemd', { skip }, () => {
  const { status, stdout } = analyze('security', '--offline=true', '--threshold=21', unit);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /Overall exposure level for vipd\.service: [01]\.\d|: 2\.[01]/);
});
