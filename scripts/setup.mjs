// Brings a bare machine to where build, tests and lab run: dependencies, Debian packages (as root), build. Quick when all is there.
// Only Node's own modules here: nothing is installed yet when this starts.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
/** Commands that the lab and the tests call, and the Debian packages that have them. */
const commands = {
  ip: 'iproute2',
  cc: 'gcc',
  curl: 'curl',
  tcpdump: 'tcpdump',
  nft: 'nftables',
  strace: 'strace',
  unshare: 'util-linux',
  promtool: 'prometheus',
  kubectl: 'kubernetes-client',
  ipvsadm: 'ipvsadm',
  keepalived: 'keepalived',
  haproxy: 'haproxy',
  iperf3: 'iperf3',
  nginx: 'nginx',
  wrk: 'wrk',
  'iptables-legacy': 'iptables',
  'systemd-analyze': 'systemd',
  // The container image: image/build.mjs and its test.
  buildah: 'buildah',
  setcap: 'libcap2-bin',
  podman: 'podman',
  runc: 'runc',
  // scripts/run-in-debian-kernel.sh
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  modprobe: 'kmod',
};

installPackages();
if (!dependenciesAreCurrent()) run('npm', ['ci', '--no-audit', '--no-fund']);
run('node', ['scripts/build.mjs']);

function installPackages() {
  const missing = Object.entries(commands).filter(([command]) => !onPath(command));
  if (!existsSync('/usr/lib/nginx/modules/ngx_stream_module.so')) missing.push(['nginx stream', 'libnginx-mod-stream']);
  if (!existsSync('/usr/include/linux/if_packet.h')) missing.push(['linux headers', 'linux-libc-dev']);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))];
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    console.error(
      `setup: missing ${packages.join(', ')}; what needs them will say so. Install with: apt-get install ${packages.join(' ')}`,
    );
    return;
  }
  for (const name of packages) console.error(`setup: installing the Debian package ${name}`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}

function dependenciesAreCurrent() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional === true || present[path]?.version === entry.version,
  );
}

function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    const file = join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

function run(command, args) {
  try {
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (error) {
    console.error(
      `setup: ${command} ${args.join(' ')} failed${error.status === undefined ? `: ${error.message}` : ''}`,
    );
    process.exit(1);
  }
}
