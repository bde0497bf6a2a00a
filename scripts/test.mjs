// Runs the compiled tests and prints how many were skipped. `--quick` leaves out the folders that take long;
// other arguments name test files or folders (`test/unit/net`). VIPD_TEST_NO_SKIP=1 makes a skipped test a failure.
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = join(import.meta.dirname, '..');
const quickFolders = ['unit', 'scenarios', 'contract'];
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const chosen = args
  .filter((arg) => !arg.startsWith('--'))
  .map((arg) => arg.replace(/^test\//, '').replace(/\.ts$/, '.js'));

const files = readdirSync(join(root, 'dist/test'), { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => !quick || !name.includes('/') || quickFolders.includes(name.split('/')[0]))
  .filter((name) => chosen.length === 0 || chosen.some((prefix) => name.startsWith(prefix)))
  .map((name) => join(root, 'dist/test', name))
  .sort();
if (files.length === 0) {
  console.error('test: no test files match');
  process.exit(1);
}

const counts = { pass: 0, fail: 0, skip: 0 };
const started = Date.now();
// One at a time, at the end: floods and elections of milliseconds, three API servers that start at once, and kernels under emulation,
// which take all processors.
const places = ['e2e/kube-vip', 'e2e/kubeadm', 'e2e/minikube', 'e2e/mixed', 'netns/vrrp', 'kernel/'];
const alone = (file) => places.some((place) => file.startsWith(join(root, 'dist/test', place)));
await runFiles(
  files.filter((file) => !alone(file)),
  Math.max(2, availableParallelism()),
);
await runFiles(files.filter(alone), 1);
console.log(
  `test: ${counts.pass} passed, ${counts.fail} failed, skipped: ${counts.skip}, ${((Date.now() - started) / 1000).toFixed(1)} s`,
);
if (counts.fail > 0 || (counts.skip > 0 && process.env.VIPD_TEST_NO_SKIP === '1')) process.exitCode = 1;

async function runFiles(files, concurrency) {
  if (files.length === 0) return;
  const stream = run({ files, concurrency, timeout: 15 * 60_000 });
  stream.on('test:pass', (event) => {
    if (event.details.type === 'suite' || isFile(event.name)) return;
    counts[event.skip === undefined ? 'pass' : 'skip']++;
  });
  stream.on('test:fail', (event) => {
    // A suite or file that fails by its tests has been counted with them.
    if (event.details.error?.failureType !== 'subtestsFailed') counts.fail++;
  });
  const report = stream.compose(spec);
  report.pipe(process.stdout, { end: false });
  await once(report, 'end');
}

function isFile(name) {
  try {
    return files.includes(name) || (relative(root, name).startsWith('dist') && statSync(name).isFile());
  } catch {
    return false;
  }
}
