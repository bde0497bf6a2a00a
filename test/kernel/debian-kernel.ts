import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { arch } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const marker = 'VIPD_TEST_KERNEL';
const repository = join(import.meta.dirname, '../../..');
/** What the kernel is started with, and what the tests in it call. */
const commands = [
  'qemu-system-x86_64',
  'busybox',
  'cpio',
  'modprobe',
  'dpkg',
  'apt-get',
  'ip',
  'nft',
  'ipvsadm',
  'iptables-legacy',
];

/**
 * Runs the calling test file's tests in Debian's own kernel, all in one boot: outside of it this registers a test that starts the file
 * anew under scripts/run-in-debian-kernel.sh; inside, `define` registers the tests, which are root in a machine of their own.
 * @param more commands that these tests call
 */
export function inDebianKernel(file: string, define: () => void, more: readonly string[] = []): void {
  if (process.env[marker] !== undefined) {
    define();
    return;
  }
  test('in Debian’s kernel', { skip: reasonToSkip([...commands, ...more]) }, async (t) => {
    const runner = join(repository, 'scripts/run-in-debian-kernel.sh');
    const command = ['env', 'NO_COLOR=1', `${marker}=1`, process.execPath, file];
    try {
      // Two such machines at once share this one's processors.
      const env = { ...process.env, LIMIT: '800' };
      const options = { cwd: repository, env, maxBuffer: 16 * 1024 * 1024 };
      const { stdout } = await promisify(execFile)(runner, command, options);
      // Figures too; what the runner counts there it counts again here.
      for (const line of stdout.split('\n')) if (/^(?!ℹ)\s*\S/.test(line)) t.diagnostic(line);
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
      throw new Error(`${stdout}\n${stderr}`);
    }
  });
}

function reasonToSkip(commands: readonly string[]): string | false {
  if (arch() !== 'x64') return 'Debian’s kernel is booted on x86-64 only';
  const missing = commands.filter((command) => !onPath(command));
  return missing.length > 0 && `needs ${missing.join(', ')}; as root scripts/setup.mjs installs what is missing`;
}

function onPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
