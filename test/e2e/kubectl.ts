import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Host } from '../../src/lab/network.js';

/** One run of kubectl. Wall clock, milliseconds. */
export interface Attempt {
  readonly from: number;
  readonly to: number;
  /** What it printed; undefined when it failed. */
  readonly output: string | undefined;
  readonly complaint: string;
}

/** kubectl on a machine that reaches the cluster by the server in its kubeconfig alone. */
export interface Kubectl {
  /** Runs it to its end; rejects with its complaint. */
  run(...args: readonly string[]): Promise<string>;
  /** Runs it again and again, one after the other, until it is stopped. */
  repeat(...args: readonly string[]): Repetition;
}

export interface Repetition {
  readonly attempts: readonly Attempt[];
  /** Resolves at the next moment at which none is under way. */
  between(): Promise<void>;
  stop(): Promise<readonly Attempt[]>;
}

/** Between one run and the next, milliseconds. */
const pause = 100;

/**
 * @param home an empty folder, for what kubectl keeps of the server's API
 * @param timeout of each of its requests, seconds
 */
export function createKubectl(host: Host, kubeconfig: string, home: string, timeout: number): Kubectl {
  async function attempt(args: readonly string[]): Promise<Attempt> {
    const from = Date.now();
    const words = [`--kubeconfig=${kubeconfig}`, `--request-timeout=${timeout}s`, ...args];
    const child = host.spawn('kubectl', words, {
      env: { PATH: process.env.PATH, HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.stdout === null || child.stderr === null) throw new Error('kubectl has no pipes');
    const [output, complaint, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { from, to: Date.now(), output: code === 0 ? output : undefined, complaint };
  }

  return {
    async run(...args) {
      const { output, complaint } = await attempt(args);
      if (output === undefined) throw new Error(`kubectl ${args.join(' ')}: ${complaint}`);
      return output;
    },
    repeat(...args) {
      const attempts: Attempt[] = [];
      let wanted = true;
      let waiting: (() => void)[] = [];
      const ended = (async () => {
        while (wanted) {
          attempts.push(await attempt(args));
          for (const tell of waiting) tell();
          waiting = [];
          await new Promise((resolve) => setTimeout(resolve, pause));
        }
      })();
      return {
        attempts,
        between: () => new Promise((resolve) => waiting.push(resolve)),
        async stop() {
          wanted = false;
          await ended;
          return attempts;
        },
      };
    },
  };
}
