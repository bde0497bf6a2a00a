import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import type { Clock } from '../../time/clock.js';
import { type Millis, millis, plus } from '../../time/instant.js';
import type { ProgramEnd, ProgramRun, Programs } from '../ports.js';

/** From SIGTERM to SIGKILL. */
const grace = millis(2000);

/** @param path the folders where programs are looked for, as in the environment variable PATH */
export function createPrograms(path: string, clock: Clock): Programs {
  return {
    run([program = '', ...args], timeout, leaves) {
      try {
        const child = spawn(program, args, { detached: true, stdio: 'ignore', cwd: '/' });
        return watch(child, timeout, leaves, clock);
      } catch (error) {
        // Some refusals are events (ENOENT, EACCES), others are thrown (ENOTDIR, ETXTBSY).
        const { code, message } = error as NodeJS.ErrnoException;
        const ended = Promise.resolve<ProgramEnd>({ kind: 'not-started', code: code ?? message });
        return { ended, gone: ended.then(() => {}), stop() {}, kill() {} };
      }
    },
    async refusal([program = '']) {
      const places = program.includes('/') ? [program] : path.split(':').map((folder) => join(folder, program));
      const codes = await Promise.all(places.map(refusalOf));
      return codes.includes(undefined) ? undefined : (codes.find((code) => code !== 'ENOENT') ?? 'ENOENT');
    },
  };
}

function watch(child: ChildProcess, timeout: Millis, leaves: 'children' | 'nothing', clock: Clock): ProgramRun {
  let killing: Disposable | undefined;
  let end: (how: ProgramEnd) => void = () => {};
  let disappear: () => void = () => {};
  const ended = new Promise<ProgramEnd>((resolve) => {
    end = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    disappear = resolve;
  });

  function stop(): void {
    if (killing !== undefined) return;
    signal(child, 'SIGTERM');
    killing = clock.at(plus(clock.now(), grace), () => signal(child, 'SIGKILL'));
  }

  function over(how: ProgramEnd): void {
    timer[Symbol.dispose]();
    // Who was told to end and did may have left children behind.
    if (killing !== undefined || leaves === 'nothing') signal(child, 'SIGKILL');
    killing?.[Symbol.dispose]();
    end(how);
    disappear();
  }

  // After a pause of this process the timer fires before it is heard that the child ended: that is waited for first.
  let timer = clock.at(plus(clock.now(), timeout), () => {
    timer = clock.at(clock.now(), () => {
      end({ kind: 'timeout' });
      stop();
    });
  });
  child.on('error', (error: NodeJS.ErrnoException) => {
    if (child.pid === undefined) over({ kind: 'not-started', code: error.code ?? error.message });
  });
  child.on('exit', (status, name) =>
    over(status === null ? { kind: 'signal', signal: name ?? 'unknown' } : { kind: 'exit', status }),
  );
  return { ended, gone, stop, kill: () => signal(child, 'SIGKILL') };
}

/** To the whole process group, of which nobody may be left. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    kill(-child.pid, name);
  } catch {
    // ESRCH: all have ended.
  }
}

async function refusalOf(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile() ? undefined : 'EACCES';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO';
  }
}
