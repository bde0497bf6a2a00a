// Node.js and what it needs, as files: Debian packages taken apart. apt works in folders of its own and never touches this machine's.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The oldest Debian whose Node.js is new enough (package.json, engines). */
const suite = 'trixie';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** The rest comes by their dependencies. base-files has os-release, the licences and the links /lib and /lib64. */
const wanted = ['base-files', 'nodejs'];
/** Dependencies that vipd has no use for: a package manager, ciphers of yesterday, what the installation of base-files calls. */
const unwanted = ['node-corepack', 'openssl-provider-legacy', 'mawk'];
/** For people at a shell, compilers and the C library's own conversions, of which Node.js uses none. */
const leftOut = [
  /^usr\/share\/(base-files|bash-completion|bug|gcc|gdb|info|lintian|locale|man)\//,
  /^usr\/share\/doc\/.*\/(?!copyright$)[^/]+$/,
  /^usr\/lib\/.*\/gconv\//,
  /^usr\/bin\/acorn$/,
  /^usr\/share\/nodejs\/.*\/bin\//,
  /^etc\/(update-motd\.d|dpkg)\//,
];

/**
 * Lays the packages' files below `folder`, beside each package's description, which scanners of images read.
 * @param arch as Debian calls it
 * @param cache where apt keeps lists and packages from one time to the next
 * @returns the packages, as files are called
 */
export function layOutDebian(folder, { arch, cache, mirror }) {
  if (!existsSync(keyring)) {
    throw new Error(`${keyring} is missing; build on Debian, or install its package debian-archive-keyring`);
  }
  const apt = aptIn(cache, arch, mirror);
  apt('update');
  // Packages that are there already are not printed.
  const printed = apt('install', '--print-uris', '--option', `Dir::Cache::archives=${join(cache, 'none')}`, ...wanted);
  apt('install', '--download-only', ...wanted);
  apt('autoclean');
  const packages = [...printed.matchAll(/^'[^']+' (\S+\.deb) /gm)]
    .map(([, file]) => file)
    .filter((file) => !unwanted.includes(nameOf(file)))
    // What brings the links goes first.
    .sort((a, b) => wanted.indexOf(nameOf(b)) - wanted.indexOf(nameOf(a)) || a.localeCompare(b));
  const described = join(folder, 'var/lib/dpkg/status.d');
  mkdirSync(described, { recursive: true });
  for (const file of packages) {
    const path = join(cache, 'archives', file);
    execFileSync('dpkg-deb', ['--extract', path, folder]);
    writeFileSync(join(described, nameOf(file)), execFileSync('dpkg-deb', ['--field', path]));
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && leftOut.some((pattern) => pattern.test(path.slice(folder.length + 1)))) rmSync(path);
  }
  return packages;
}

/** Where this machine has its own Debian packages from. */
export function ownMirror() {
  const file = '/etc/apt/sources.list.d/debian.sources';
  const [, mirror] = (existsSync(file) && /^URIs:\s*(\S+)/m.exec(readFileSync(file, 'utf8'))) || [];
  if (mirror === undefined) throw new Error(`${file} names no mirror of Debian; give one with --mirror URL`);
  return mirror.replace(/\/$/, '');
}

/** apt-get for another suite and architecture, with no package installed. Its answer is what it prints. */
function aptIn(cache, arch, mirror) {
  for (const name of ['state/lists/partial', 'archives/partial', 'none/partial']) {
    mkdirSync(join(cache, name), { recursive: true });
  }
  const sources = join(cache, 'sources.list');
  const status = join(cache, 'status');
  writeFileSync(status, '');
  writeFileSync(
    sources,
    [`${mirror} ${suite} main`, `${mirror}-security ${suite}-security main`]
      .map((source) => `deb [signed-by=${keyring} arch=${arch}] ${source}\n`)
      .join(''),
  );
  const options = Object.entries({
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': join(cache, 'state'),
    'Dir::State::status': status,
    'Dir::Cache': cache,
    'Dir::Cache::archives': join(cache, 'archives'),
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Install-Recommends': 'false',
    // The cache is this user's.
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
  }).flatMap(([name, value]) => ['--option', `${name}=${value}`]);
  return (...words) =>
    execFileSync('apt-get', ['--yes', '--quiet', '--quiet', ...options, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 16 << 20,
    });
}

function nameOf(file) {
  return file.split('_')[0];
}
