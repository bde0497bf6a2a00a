import { readdir, readFile } from 'node:fs/promises';

/** A thread as the kernel has it. */
export interface Thread {
  readonly name: string;
  readonly isMain: boolean;
  readonly nice: number;
  /** Seconds so far. */
  readonly ran: number;
  /** Seconds for which it could have run and another did. */
  readonly waited: number;
}

/** proc(5): /proc/pid/task/tid/stat, field 19, and schedstat. */
export async function threadsOf(pid: number): Promise<readonly Thread[]> {
  const folder = `/proc/${pid}/task`;
  return Promise.all(
    (await readdir(folder)).map(async (tid) => {
      const stat = await readFile(`${folder}/${tid}/stat`, 'utf8');
      const [ran, waited] = (await readFile(`${folder}/${tid}/schedstat`, 'utf8')).split(' ').map(Number);
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return {
        name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
        isMain: Number(tid) === pid,
        nice: Number(fields[16]),
        ran: (ran ?? Number.NaN) / 1e9,
        waited: (waited ?? Number.NaN) / 1e9,
      };
    }),
  );
}

/** Processor time, in seconds, for which this machine was kept waiting by the one that it runs on (proc(5), /proc/stat, steal; 100 a second). */
export async function stolenSeconds(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n', 1);
  return Number(line.trim().split(/\s+/)[8]) / 100;
}
