// Writes the manifests that `vipd manifest` prints (dist/vipd.js: run scripts/build.mjs first).
// `--check` writes nothing and fails when a file differs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const manifests = {
  'pod.yaml': 'pod --address 192.168.1.100',
  'daemonset.yaml': 'daemonset --address 192.168.1.100 --taint',
  'rbac.yaml': 'rbac',
};
// Nothing of this environment belongs into them.
const env = { PATH: process.env.PATH };

for (const [name, words] of Object.entries(manifests)) {
  const file = join(root, 'manifests', name);
  const command = [join(root, 'dist/vipd.js'), 'manifest', ...words.split(' ')];
  const text = execFileSync(process.execPath, command, { encoding: 'utf8', env });
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (read(file) !== text) {
    console.error(
      `generate-manifests: manifests/${name} is not what vipd manifest ${words} prints; run node scripts/generate-manifests.mjs`,
    );
    process.exitCode = 1;
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
