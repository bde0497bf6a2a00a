import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { execute } from './execute.js';

/** The descriptor on which a detached lab says how its story ended. */
export const verdictDescriptor = 3;

export interface RelaunchOptions {
  readonly command: readonly [string, ...string[]];
  /** In a user namespace with its own mounts and network, as root of it. */
  readonly unshared: boolean;
  /** It stays when this process has gone. */
  readonly detached: boolean;
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void };
  readonly stop: AbortSignal;
}

// `ip netns` keeps its files below /run, which belongs to the machine's root.
const enter = ['-Urnm', '--', 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh'];

/** Why this user cannot have a user namespace, in the machine's words; undefined when it can. */
export async function userNamespaceRefusal(): Promise<string | undefined> {
  try {
    await execute('unshare', [...enter, 'true']);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^.*\): /s, '') : String(error);
  }
}

/** Runs the lab in a process of its own and returns its exit code: at its end or, detached, at the story's end. */
export async function relaunch(options: RelaunchOptions): Promise<number> {
  const [command, ...args] = options.unshared ? ['unshare', ...enter, ...options.command] : options.command;
  const child = spawn(command, args, {
    detached: options.detached,
    stdio: options.detached ? ['ignore', 'pipe', 'pipe', 'pipe'] : 'inherit',
  });
  const stop = () => child.kill('SIGTERM');
  options.stop.addEventListener('abort', stop);
  const ended = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : 1));
  try {
    if (!options.detached) return await ended;
    child.stdout?.on('data', (chunk) => options.stdout.write(String(chunk)));
    child.stderr?.on('data', (chunk) => options.stderr.write(String(chunk)));
    // The first byte counts, not the pipe's end: whatever the lab has started holds the other side open too.
    const verdict = once(child.stdio[verdictDescriptor] as Readable, 'data').then(([code]) => Number(String(code)));
    return await Promise.race([verdict, ended]);
  } finally {
    options.stop.removeEventListener('abort', stop);
    child.unref();
    for (const stream of child.stdio) stream?.destroy();
  }
}
