// The addon: a prebuilt one if the package has it for this machine and it loads, else compiled with the machine's C compiler
// against the headers in the package node-api-headers. Run by `npm install`; never fails it: vipd itself says what is missing
// when it starts.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');
const source = join(root, 'native');
const prebuildPath = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'vipd.node');
const builtPath = join(source, 'build/vipd.node');

/**
 * Compiles native/*.c unless what is there is younger than they are. Throws when the compiler fails.
 * @param prebuild whether to lay the result down as the prebuilt one too; one that lies there is kept current, since it is loaded first
 * @param extra flags for the compiler beside the usual ones
 */
export function buildAddon(prebuild = existsSync(prebuildPath), extra = []) {
  const names = readdirSync(source).filter((name) => /\.[ch]$/.test(name));
  const isCurrent =
    existsSync(builtPath) && names.every((name) => statSync(join(source, name)).mtimeMs <= statSync(builtPath).mtimeMs);
  if (!isCurrent)
    compile(
      names.filter((name) => name.endsWith('.c')),
      extra,
    );
  if (!prebuild) return;
  mkdirSync(dirname(prebuildPath), { recursive: true });
  copyFileSync(builtPath, `${prebuildPath}.${process.pid}`);
  renameSync(`${prebuildPath}.${process.pid}`, prebuildPath);
}

function compile(sources, extra) {
  const include = dirname(createRequire(import.meta.url).resolve('node-api-headers/include/node_api.h'));
  const flags = [
    '-std=gnu11',
    '-O2',
    '-g',
    '-fPIC',
    '-shared',
    '-pthread',
    '-Wall',
    '-Wextra',
    '-Werror=implicit',
    ...extra,
  ];
  const temporary = `${builtPath}.${process.pid}`;
  mkdirSync(dirname(builtPath), { recursive: true });
  execFileSync(
    process.env.CC ?? 'cc',
    [...flags, '-fvisibility=hidden', `-I${include}`, '-o', temporary, ...sources.map((name) => join(source, name))],
    { stdio: 'inherit' },
  );
  renameSync(temporary, builtPath);
}

function prebuildLoads() {
  try {
    createRequire(import.meta.url)(prebuildPath);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !prebuildLoads()) {
  try {
    buildAddon(false);
  } catch (error) {
    console.error(
      `vipd: no prebuilt addon for ${process.platform}-${process.arch}, and compiling it failed (${error.message}).`,
    );
    console.error(
      `vipd: install a C compiler (Debian: apt-get install gcc libc6-dev) and run "node scripts/install-native.mjs" in ${root}.`,
    );
  }
}
