import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Namespace } from '../../src/lab/network.js';

// biome-ignore lint/suspicious/noExplicitAny: whatever a program can do
type Deeds = Readonly<Record<string, (...args: any[]) => unknown>>;

/** A program in another namespace that does what it is asked, and answers. */
export interface Agent<D extends Deeds> {
  ask<Name extends keyof D>(name: Name, ...args: Parameters<D[Name]>): Promise<Awaited<ReturnType<D[Name]>>>;
  /** Ends it as the kernel does when memory is short. */
  kill(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: string;
}

/** Starts the program; what it was asked and has not answered when it ends fails. */
export async function startAgent<D extends Deeds>(namespace: Namespace, script: string): Promise<Agent<D>> {
  const words = ['--nofile=20000:20000', '--', process.execPath, script];
  const child: ChildProcess = namespace.spawn('prlimit', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, PromiseWithResolvers>();
  let asked = 0;
  child.on('message', ({ id, result, failure }: Answer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (failure === undefined) one?.resolve(result);
    else one?.reject(new Error(failure));
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${script} has ended: ${code ?? signal}`));
  });
  await once(child, 'message');
  return {
    ask(name, ...args) {
      const id = ++asked;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id, name, args });
      });
    },
    async kill() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

interface PromiseWithResolvers {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The program's own side. */
export function serveDeeds(deeds: Deeds): void {
  process.on('message', async ({ id, name, args }: { id: number; name: string; args: unknown[] }) => {
    try {
      process.send?.({ id, result: await deeds[name]?.(...args) } satisfies Answer);
    } catch (error) {
      process.send?.({ id, failure: error instanceof Error ? error.message : String(error) } satisfies Answer);
    }
  });
  process.send?.({ id: 0 } satisfies Answer);
}
