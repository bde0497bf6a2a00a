import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { RelayBackend } from '../../src/kernel/ports.js';

export interface RelayProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly port: number;
  /** Ends it and returns what it counted, and its exit status. */
  finish(): Promise<{ refused: number; total: number; open: number; cpu: number; status: number | null }>;
}

/** A relay in a process of its own that may have `descriptors` files open. */
export async function startRelayProcess(
  { name, ip, port }: RelayBackend,
  descriptors: number,
  connectTimeout = 5000,
): Promise<RelayProcess> {
  const script = join(import.meta.dirname, 'relay-process.js');
  const command = `ulimit -n ${descriptors}; exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, script, name, ip, String(port), String(connectTimeout)];
  const child = spawn('sh', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    port: Number((await lines.next()).value),
    async finish() {
      const exited = once(child, 'exit');
      child.stdin.end();
      const counted = JSON.parse((await lines.next()).value ?? '{}');
      const [status] = await exited;
      return { ...counted, status };
    },
  };
}
