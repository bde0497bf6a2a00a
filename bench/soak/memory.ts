import { readdir, readFile, readlink } from 'node:fs/promises';

interface Process {
  readonly pid: number;
}

/** Resident, in KiB. */
export async function residentOf({ pid }: Process): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** How many sockets a process has open. */
export async function socketsOf(process: Process): Promise<number> {
  return (await filesOf(process)).filter((file) => file.startsWith('socket:')).length;
}

/** How many pipes it has a hand on. */
export async function pipesOf(process: Process): Promise<number> {
  return new Set((await filesOf(process)).filter((file) => file.startsWith('pipe:'))).size;
}

async function filesOf({ pid }: Process): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`;
  return Promise.all((await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
}
