// The container image of vipd, as an OCI archive. `npm run image -- --help` says how.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { layOutDebian, ownMirror } from './debian.mjs';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Debian's and Node.js's names of the same processors. */
const machines = { amd64: 'x64', arm64: 'arm64' };
const here = Object.keys(machines).find((arch) => machines[arch] === process.arch);

// Everybody may read what is in the image, whoever builds it.
process.umask(0o022);
try {
  main(readOptions());
} catch (error) {
  console.error(`image: ${error.message}`);
  process.exit(1);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      output: { type: 'string' },
      tag: { type: 'string', default: `localhost/vipd:${version}` },
      arch: { type: 'string', default: here ?? process.arch },
      mirror: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return { ...values, output: resolve(values.output ?? join(root, `dist/image/vipd-${version}-${values.arch}.tar`)) };
}

function main({ help, output, tag, arch, mirror }) {
  if (help) {
    console.log(
      `npm run image -- [--output FILE] [--tag ${tag}] [--arch ${Object.keys(machines).join('|')}] [--mirror URL]`,
    );
    return;
  }
  if (machines[arch] === undefined) throw new Error(`--arch: ${arch} is none of ${Object.keys(machines).join(', ')}`);
  if (process.getuid?.() !== 0) throw new Error('files with owners and capabilities take root to make; run it as root');
  if (!existsSync(join(root, 'dist/vipd.js')))
    throw new Error('dist/vipd.js does not exist; run node scripts/build.mjs');
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vipd/image', arch);
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'build-'));
  try {
    const context = join(folder, 'context');
    layOutDebian(join(context, 'debian'), { arch, cache, mirror: mirror ?? ownMirror() });
    layOutVipd(join(context, 'vipd'), join(context, 'debian/usr/bin/node'), arch);
    mkdirSync(join(context, 'run/vipd'), { recursive: true });
    const digest = pack({ folder, context, output, tag, arch });
    const unpacked = run('du', ['--summarize', '--bytes', context]).split('\t')[0];
    console.log(`image: ${tag} for ${arch}: ${megabytes(statSync(output).size)}, ${megabytes(unpacked)} unpacked`);
    console.log(`image: ${digest}`);
    console.log(`image: ${output}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What `npm install -g` would lay into /usr/lib, as far as the daemon loads it, and the command `vipd`. */
function layOutVipd(folder, node, arch) {
  const home = join(folder, 'usr/lib/vipd');
  const machine = `linux-${machines[arch]}`;
  for (const name of readdirSync(join(import.meta.dirname, 'etc'))) {
    copy(join(import.meta.dirname, 'etc', name), join(folder, 'etc', name));
  }
  copy(join(root, 'package.json'), join(home, 'package.json'));
  copy(join(root, 'LICENSE'), join(folder, 'usr/share/doc/vipd/copyright'));
  copy(addon(machine), join(home, 'native/build/vipd.node'));
  // There is no /usr/bin/env.
  const bundle = readFileSync(join(root, 'dist/vipd.js'), 'utf8').replace(/^#!.*/, '#!/usr/bin/node');
  mkdirSync(join(home, 'dist'));
  writeFileSync(join(home, 'dist/vipd.js'), bundle);
  chmodSync(join(home, 'dist/vipd.js'), 0o755);
  for (const name of readdirSync(join(root, 'dist/vipd')).filter((file) => !file.endsWith('.map')))
    copy(join(root, 'dist/vipd', name), join(home, 'dist/vipd', name));
  mkdirSync(join(folder, 'usr/bin'));
  symlinkSync('../lib/vipd/dist/vipd.js', join(folder, 'usr/bin/vipd'));
  for (const [name, loaded] of Object.entries(packages(machine))) {
    for (const path of [...loaded, 'package.json', 'LICENSE']) {
      copy(join(root, 'node_modules', name, path), join(home, 'node_modules', name, path));
    }
  }
  // For a user other than root where the runtime sets no ambient capabilities. node itself is a small program; most of it is a library.
  copy(node, join(home, 'node'), 0o755);
  run('setcap', ['cap_net_admin,cap_net_raw=ep', join(home, 'node')]);
}

/** What is loaded of the packages that are not in the bundle. */
function packages(machine) {
  const code = readdirSync(join(root, 'node_modules/netlink/dist'), { recursive: true }).filter((name) =>
    name.endsWith('.js'),
  );
  return {
    netlink: [...code.map((name) => `dist/${name}`), `prebuilds/${machine}/node.napi.node`],
    'node-gyp-build': ['index.js', 'node-gyp-build.js'],
  };
}

function addon(machine) {
  const found = [
    `prebuilds/${machine}/vipd.node`,
    ...(machine === `linux-${process.arch}` ? ['native/build/vipd.node'] : []),
  ];
  const path = found.map((name) => join(root, name)).find((name) => existsSync(name));
  if (path !== undefined) return path;
  throw new Error(
    `prebuilds/${machine}/vipd.node does not exist; compile the addon on such a machine (npm pack) and put it there`,
  );
}

/** Every time in it is that of the sources, so that equal sources make equal images. Returns the digest of the manifest. */
function pack({ folder, context, output, tag, arch }) {
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  const epoch = process.env.SOURCE_DATE_EPOCH ?? run('git', ['-C', root, 'log', '-1', '--format=%ct']).trim();
  const file = join(import.meta.dirname, 'Containerfile');
  const label = `org.opencontainers.image.version=${version}`;
  const choices = ['--layers', '--format', 'oci', '--arch', arch, '--timestamp', epoch, '--label', label];
  run('buildah', [...storage, 'build', '--quiet', ...choices, '--file', file, '--tag', tag, context]);
  const archive = join(folder, 'image.tar');
  const digestFile = join(folder, 'digest');
  run('buildah', [...storage, 'push', '--quiet', '--digestfile', digestFile, tag, `oci-archive:${archive}:${tag}`]);
  mkdirSync(dirname(output), { recursive: true });
  cpSync(archive, `${output}.${process.pid}`);
  renameSync(`${output}.${process.pid}`, output);
  return readFileSync(digestFile, 'utf8').trim();
}

function copy(from, to, mode = 0o644) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
  chmodSync(to, mode);
}

function run(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')} failed${error.status === undefined ? `: ${error.message}` : ''}`);
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
