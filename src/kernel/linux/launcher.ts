import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { kill } from 'node:process';
import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import type { Launched, Launcher } from '../ports.js';

const between = millis(20);
/**
 * The shell ends at once, so that its child is the supervisor's: systemd sees the end of its own children alone, and with `KillMode=mixed` waits for no
 * other's before it kills what is left.
 */
const script = '"$@" 3>&- & echo $! >&3';

/** Starts processes that outlive this one: with its standard output, its rights, in its control group. */
export function createLauncher(clock: Clock): Launcher {
  async function ended(pid: number, start: string | undefined): Promise<void> {
    while (await isAlive(pid, start))
      await new Promise<void>((resolve) => clock.at(plus(clock.now(), between), resolve));
  }

  return {
    async launch(command, environment): Promise<Launched> {
      const shell = spawn('/bin/sh', ['-c', script, 'sh', ...command], {
        env: environment,
        stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      });
      const closed = once(shell, 'close');
      let said = '';
      // Out of descriptors there is nothing but the error (node:child_process).
      shell.stdio?.[3]?.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      await closed.catch((error: NodeJS.ErrnoException) => {
        throw new Error(`${command[0]} cannot be started (${error.code})`, { cause: error });
      });
      const pid = Number(said);
      if (!(pid > 1)) throw new Error(`${command[0]} cannot be started`);
      let hasEnded = false;
      return {
        pid,
        ended: ended(pid, await startOf(pid)).then(() => {
          hasEnded = true;
        }),
        kill() {
          // The number may be another's by now.
          if (hasEnded) return;
          try {
            kill(pid, 'SIGKILL');
          } catch {
            // ESRCH: it has ended.
          }
        },
      };
    },
  };
}

/**
 * One that has ended may wait for its parent to hear so (proc(5), state Z).
 * @param start when it began, by `startOf`: whoever has its number but began at another time is another
 */
async function isAlive(pid: number, start: string | undefined): Promise<boolean> {
  try {
    const [state, began] = await look(pid);
    return state !== 'Z' && state !== 'X' && (start === undefined || began === start);
  } catch (error) {
    // What cannot be looked at for another reason, such as want of descriptors, may be alive.
    return !['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

async function startOf(pid: number): Promise<string | undefined> {
  return (await look(pid).catch(() => undefined))?.[1];
}

/** Its state and when it began, in ticks since the machine did: fields 3 and 22 of /proc/PID/stat. */
async function look(pid: number): Promise<readonly [state: string | undefined, began: string | undefined]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [fields[0], fields[19]];
}
