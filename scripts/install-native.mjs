// The addon: a prebuilt one if the package has it for this machine, else compiled with the machine's C compiler against the
// headers in the package node-api-headers. Run by `npm install`; never fails it: vipd itself says what is missing when it starts.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');
const source = join(root, 'native');
export const prebuildPath = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'vipd.node');
const builtPath = join(source, 'build/vipd.node');

/** Compiles native/*.c into `target` unless it is younger than its sources. Throws when the compiler fails. */
export function buildAddon(target = builtPath) {
  const sources = readdirSync(source).filter((name) => name.endsWith('.c'));
  const inputs = readdirSync(source).filter((name) => /\.[ch]$/.test(name));
  const isCurrent = () =>
    existsSync(target) && inputs.every((name) => statSync(join(source, name)).mtimeMs <= statSync(target).mtimeMs);
  if (sources.length === 0 || isCurrent()) return;
  const include = dirname(createRequire(import.meta.url).resolve('node-api-headers/include/node_api.h'));
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  const flags = ['-std=gnu11', '-O2', '-g', '-fPIC', '-shared', '-pthread', '-Wall', '-Wextra', '-Werror=implicit'];
  execFileSync(
    process.env.CC ?? 'cc',
    [...flags, '-fvisibility=hidden', `-I${include}`, '-o', temporary, ...sources.map((name) => join(source, name))],
    { stdio: 'inherit' },
  );
  renameSync(temporary, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !existsSync(prebuildPath)) {
  try {
    buildAddon();
  } catch (error) {
    console.error(
      `vipd: no prebuilt addon for ${process.platform}-${process.arch}, and compiling it failed (${error.message}).`,
    );
    console.error('vipd: install a C compiler (Debian: apt-get install gcc libc6-dev) and run `npm rebuild vipd`.');
  }
}
