// dist/src, dist/test and dist/bench by tsc (what tests and benchmarks run), dist/vipd.js and dist/vipd/ by esbuild (what users run), the
// addon by the C compiler.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { evaluateWhenUsed, leaveOutUnused } from './bundle-plugins.mjs';
import { buildAddon } from './install-native.mjs';

const root = join(import.meta.dirname, '..');
const stamp = join(root, 'dist/.built');
const prebuild = process.argv.includes('--prebuild');

if (!isCurrent()) {
  // What changes while this builds is built the next time.
  const started = new Date();
  await rm(join(root, 'dist'), { recursive: true, force: true });
  tsc();
  await bundle();
  await writeFile(stamp, '');
  await utimes(stamp, started, started);
}
buildAddon(prebuild || undefined);

function tsc() {
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), [], { cwd: root, stdio: 'inherit' });
  } catch {
    process.exit(1);
  }
}

async function bundle() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await build({
    entryPoints: { vipd: join(root, 'src/main.ts') },
    outdir: join(root, 'dist'),
    bundle: true,
    // What is imported when it is needed is a file of its own, so that a daemon does not read the laboratory.
    splitting: true,
    chunkNames: 'vipd/[name]-[hash]',
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    sourcemap: true,
    sourcesContent: false,
    minifySyntax: true,
    // One character beyond Latin-1, in a comment even, and V8 keeps all of a file's text in two bytes each. Names stay: stack traces.
    minifyWhitespace: true,
    lineLimit: 160,
    legalComments: 'external',
    plugins: [leaveOutUnused, evaluateWhenUsed],
    define: { 'process.env.VIPD_VERSION': JSON.stringify(version) },
    // These load compiled files that lie beside them.
    external: ['netlink'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  await chmod(join(root, 'dist/vipd.js'), 0o755);
}

/** Whether nothing that goes into dist/ is younger than it. */
function isCurrent() {
  if (!existsSync(stamp)) return false;
  const built = statSync(stamp).mtimeMs;
  const inputs = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'scripts/build.mjs',
    'scripts/bundle-plugins.mjs',
  ];
  for (const folder of ['src', 'test', 'bench']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true })) inputs.push(join(folder, entry));
    inputs.push(folder);
  }
  return inputs.every((input) => statSync(join(root, input)).mtimeMs <= built);
}
