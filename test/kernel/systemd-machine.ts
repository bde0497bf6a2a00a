import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../netns/poll.js';

/** This machine's systemd, run in namespaces of its own as a container's is: its processes, control groups and mounts. */
export interface Systemd extends AsyncDisposable {
  /** Runs a command among its processes; throws with what it printed when it fails. */
  run(command: string, ...args: readonly string[]): Promise<string>;
  /** `systemctl show -p` of the unit. */
  show(unit: string, property: string): Promise<string>;
}

const units = '/run/units';
const ours = '/sys/fs/cgroup/systemd-machine';
/** Those that an ordinary service stands on; the machine's others would take a minute. */
const targets = ['sysinit.target', 'basic.target', 'shutdown.target', 'multi-user.target', 'network-online.target'];

/** Boots it with one unit, which is enabled. For machines that are thrown away: what it leaves in /run stays. */
export async function bootSystemd(unitFile: string, name: string, dropIn: string): Promise<Systemd> {
  mkdirSync(join(units, 'multi-user.target.wants'), { recursive: true });
  mkdirSync(join(units, `${name}.d`));
  for (const target of targets) writeFileSync(join(units, target), '[Unit]\nDefaultDependencies=no\n');
  copyFileSync(unitFile, join(units, name));
  writeFileSync(join(units, `${name}.d/test.conf`), dropIn);
  symlinkSync(join('..', name), join(units, 'multi-user.target.wants', name));
  await promisify(execFile)('mount', ['-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup']);
  mkdirSync(ours);

  const namespaces = ['--cgroup', '--pid', '--mount', '--mount-proc', '--fork', '--kill-child'];
  const environment = ['-i', 'container=test', `SYSTEMD_UNIT_PATH=${units}`, `PATH=${process.env.PATH}`];
  const systemd = ['/lib/systemd/systemd', '--system', '--unit=multi-user.target', '--log-target=console'];
  // Mounted again in there: else what /proc says of a process' control group is not where systemd sees it.
  const mount = 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"';
  const first = ['env', ...environment, ...systemd, '--show-status=no'];
  const words = ['unshare', ...namespaces, 'sh', '-c', mount, 'sh', ...first];
  const enter = `echo $$ >${ours}/cgroup.procs; exec "$@"`;
  const child = spawn('sh', ['-c', enter, 'sh', ...words], { stdio: ['ignore', 'inherit', 'inherit'] });
  const inside = ['-t', await firstProcess(child), '-m', '-p', '-C'];

  const machine: Systemd = {
    async run(command, ...args) {
      const options = { env: { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' } };
      const { stdout } = await promisify(execFile)('nsenter', [...inside, command, ...args], options);
      return stdout;
    },
    show: async (unit, property) => (await machine.run('systemctl', 'show', unit, '-p', property, '--value')).trim(),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
    },
  };
  const answers = async () => (await machine.show(name, 'LoadState').catch(() => '')) === 'loaded';
  await until(answers, { within: 60_000, every: 200, what: 'systemd to answer' });
  return machine;
}

/** `unshare` has made one child, the first process of the new namespace. */
function firstProcess(child: ChildProcess): Promise<string> {
  const children = async () => (await promisify(execFile)('pgrep', ['-P', String(child.pid)])).stdout.trim();
  return until(() => children().catch(() => undefined), { within: 30_000, what: 'the first process' });
}
