import { execFile, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const marker = 'VIPD_TEST_NAMESPACE';
let hosts = 0;

/**
 * Runs the calling test file's tests in a network namespace of their own: outside of one this registers a test that starts the
 * file anew under `unshare --net`; inside, `define` registers the tests.
 */
export function inOwnNamespace(file: string, define: () => void): void {
  if (process.env[marker] !== undefined) {
    run('ip', 'link', 'set', 'lo', 'up');
    define();
    return;
  }
  const isRoot = process.getuid?.() === 0;
  test('in a network namespace', { skip: isRoot ? false : 'making a network namespace needs root' }, async () => {
    const env = { ...process.env, [marker]: '1', NODE_TEST_CONTEXT: undefined };
    try {
      await promisify(execFile)('unshare', ['--net', process.execPath, file], { env, maxBuffer: 16 * 1024 * 1024 });
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
      throw new Error(`${stdout}\n${stderr}`);
    }
  });
}

/** Runs a command in this namespace and returns what it prints. */
export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Another host, in a namespace of its own. */
export interface OtherHost extends Disposable {
  readonly name: string;
  run(command: string, ...args: readonly string[]): string;
}

export function createOtherHost(): OtherHost {
  const name = `vipd-test-${process.pid}-${++hosts}`;
  run('ip', 'netns', 'add', name);
  const host: OtherHost = {
    name,
    run: (command, ...args) => run('ip', 'netns', 'exec', name, command, ...args),
    [Symbol.dispose]: () => void run('ip', 'netns', 'delete', name),
  };
  host.run('ip', 'link', 'set', 'lo', 'up');
  return host;
}
