// The relay's tests with the addon built for AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of this folder.
// A finding ends the process with its report, and so the test. Arguments: test files, as those of scripts/test.mjs.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const wanted = process.argv.slice(2);
const tests =
  wanted.length > 0
    ? wanted
    : [
        'test/contract/channels.test',
        'test/contract/handover.test',
        'test/contract/relay.test',
        'test/netns/relay.test',
      ];
const copy = mkdtempSync(join(tmpdir(), 'vipd-sanitized-'));
const flags = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-O1'];

try {
  execFileSync('node', ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
  for (const name of ['dist', 'native', 'scripts', 'package.json']) {
    const isSource = (path) => !path.startsWith(join(root, 'native/build'));
    cpSync(join(root, name), join(copy, name), { recursive: true, preserveTimestamps: true, filter: isSource });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const build = `import { buildAddon } from './scripts/install-native.mjs'; buildAddon(false, ${JSON.stringify(flags)});`;
  execFileSync('node', ['--input-type=module', '-e', build], { cwd: copy, stdio: 'inherit' });
  const library = (name) => execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  const { status } = spawnSync('node', ['scripts/test.mjs', ...tests], {
    cwd: copy,
    stdio: 'inherit',
    env: {
      ...process.env,
      // Node.js itself is not built for it, so the library must be there first.
      LD_PRELOAD: `${library('libasan.so')}:${library('libubsan.so')}`,
      // Node.js gives its memory back by ending; the soak looks for leaks.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:handle_segv=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
