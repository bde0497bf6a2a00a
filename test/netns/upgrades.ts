import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Host } from '../../src/lab/network.js';
import type { Served } from '../contract/answered-clients.js';
import { program } from './program.js';

const script = join(import.meta.dirname, 'answered-clients-process.js');

/** What became of clients that were served all the while. */
export interface Suffered extends Served {
  readonly held: readonly string[];
}

/** A server in a namespace that echoes lines, and says `end` at the end. Ends with the namespace. */
export async function echo(host: Host, ip: string, port: number): Promise<void> {
  const child = host.spawn(program.node, [script, 'echo', ip, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
}

/** Watches a process from the promise's end on until it sends something with this word in its first 64 bytes. */
export async function sends(host: Host, pid: number, word: string): Promise<{ readonly sent: Promise<void> }> {
  const calls = ['-e', 'trace=sendmsg', '-e', 'signal=none', '-s', '64'];
  const child = host.spawn('strace', [...calls, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  const isOver = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes(word)) resolve();
    });
  });
  await once(lines, 'line');
  return { sent: isOver.finally(() => child.kill('SIGINT')) };
}

/** So many clients a second from now on, and some that stay. */
export async function beginClients(
  from: Host,
  to: { readonly ip: string; readonly port: number; readonly perSecond: number; readonly held: number },
): Promise<{ end(): Promise<Suffered> }> {
  const words = [to.ip, to.port, to.perSecond, to.held].map(String);
  const child = from.spawn(program.node, [script, 'ask', ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  await once(lines, 'line');
  return {
    async end() {
      const said = once(lines, 'line');
      child.stdin?.end();
      return JSON.parse(String((await said)[0]));
    },
  };
}
