import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../figures.js';
import { pipesOf, residentOf } from '../memory.js';
import { at, type Bed } from './bed.js';
import { createJudge, type Finding } from './finding.js';

const readers = 20;
const seconds = 60;
const length = 32 << 20;
/** KiB. Node.js's own memory goes up and down by some 2 MiB; one reader's bulk kept anywhere would be 32. */
const slack = 4096;

interface Memory {
  /** The process's pages. */
  readonly resident: number;
  /** What the sockets of vipd's host hold for sending and receiving. */
  readonly sockets: number;
  readonly pipes: number;
}

/** Who reads 1 KiB a second from a backend that sends as fast as it may costs no more after a minute than at first. */
export async function slowReaders(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const reading = bed.client.agent.ask('readSlowly', at('asked'), readers, length, seconds);
  // What goes wrong meanwhile is the news, not that the readers were ended for it.
  reading.catch(() => {});
  await sleep(5000);
  const looks: Memory[] = [];
  for (let second = 7; second < seconds; second++) {
    looks.push(await memoryOf(bed));
    await sleep(1000);
  }
  judge.same('what they read', await reading, { exact: readers });
  const [first, last] = [looks.slice(0, 10), looks.slice(-10)];
  const grown = (key: keyof Memory) => median(last.map((look) => look[key])) - median(first.map((look) => look[key]));
  judge.most('growth of resident memory, KiB', grown('resident'), slack);
  judge.most('growth of the sockets, KiB', grown('sockets'), slack);
  judge.most('growth of pipes', grown('pipes'), 0);
  const { resident, sockets, pipes } = looks.at(-1) ?? { resident: 0, sockets: 0, pipes: 0 };
  return judge.found(
    'slow reader',
    `${readers} readers of 1 KiB/s for ${seconds} s, then the rest of ${length >> 20} MiB each: resident ${mib(resident)} MiB (${signed(grown('resident'))}), the kernel's sockets ${mib(sockets)} MiB (${signed(grown('sockets'))}), ${pipes} pipes (${signed(grown('pipes'), 1)})`,
  );
}

async function memoryOf({ vipd }: Bed): Promise<Memory> {
  const text = await vipd.host.run('ss', ['-tmnH']);
  let bytes = 0;
  // r: received and not read; w: written, sent or not; f: allocated ahead; bl: in the backlog.
  for (const [, r, f, w, bl] of text.matchAll(/skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),o\d+,bl(\d+)/g))
    bytes += Number(r) + Number(f) + Number(w) + Number(bl);
  return { resident: await residentOf(vipd.daemon), sockets: bytes / 1024, pipes: await pipesOf(vipd.daemon) };
}

function mib(kib: number): string {
  return (kib / 1024).toFixed(1);
}

function signed(kib: number, unit = 1024): string {
  const value = kib / unit;
  return `${value < 0 ? '' : '+'}${unit === 1 ? value : value.toFixed(2)}`;
}
