import { readFile } from 'node:fs/promises';
import { until } from '../../../test/netns/poll.js';
import type { Verdict } from '../../run.js';
import { socketsOf } from '../memory.js';
import { at, type Bed, createBed } from './bed.js';
import { halfClose, resets } from './ends.js';
import { createJudge, type Finding } from './finding.js';
import { fewDescriptors, idle, noDescriptors } from './many.js';
import { slowReaders } from './slow-reader.js';
import { backendVanishes, clientsLeave, cutBeforeOpen, halfOpen } from './vanish.js';

const disturbing = { halfClose, resets, slowReaders, halfOpen, clientsLeave, cutBeforeOpen, backendVanishes };
/** Here the processor time of the daemon is looked at: nobody else uses it. */
const quiet = { idle, fewDescriptors, noDescriptors };

type Manner = keyof typeof disturbing | keyof typeof quiet;
export const manners = [...Object.keys(disturbing), ...Object.keys(quiet)] as readonly Manner[];

/** What a relay must bear from clients, backends and machines, each in full size, on one daemon that lives through all of it. */
export async function tryManners(folder: string, chosen: readonly Manner[]): Promise<Verdict> {
  await using bed = await createBed(folder);
  const findings: Finding[] = [];
  const take = (finding: Finding) => {
    findings.push(finding);
    const { manner, says, wrong } = finding;
    console.log(`manners: ${manner}: ${says}: ${wrong.length === 0 ? 'exact' : `NOT EXACT: ${wrong.join('; ')}`}`);
  };
  const sockets = await socketsOf(bed.vipd.daemon);
  await bed.witness.agent.ask('witness', at('witness'));
  const tryThose = async (those: Readonly<Record<string, (bed: Bed) => Promise<Finding>>>) => {
    for (const [name, manner] of Object.entries(those))
      if ((chosen as readonly string[]).includes(name)) take(await manner(bed));
  };
  await tryThose(disturbing);
  const { ways, slowest } = await bed.witness.agent.ask('witnessed');
  await tryThose(quiet);
  take(await survived(bed, sockets, ways, slowest));
  return { isKept: findings.every(({ wrong }) => wrong.length === 0), figures: findings };
}

/** One process through all of it, which has nothing left over, and one client to whom nothing happened. */
async function survived(
  { vipd }: Bed,
  sockets: number,
  ways: Readonly<Record<string, number>>,
  slowest: number,
): Promise<Finding> {
  const judge = createJudge();
  judge.same('alive', vipd.daemon.running(), true);
  judge.same('who asked all the time', Object.keys(ways), ['exact']);
  const isLeft = async () => (await socketsOf(vipd.daemon)) <= sockets;
  await until(isLeft, { what: 'the end of all connections' }).catch(() => {});
  judge.most('sockets', await socketsOf(vipd.daemon), sockets);
  vipd.daemon.signal('SIGTERM');
  judge.same('its end', (await vipd.daemon.ended).code, 0);
  const log = await readFile(vipd.daemon.log, 'utf8');
  const complaints = log.split('\n').filter((line) => /"level":"(warn|error)"/.test(line));
  judge.same('warnings and errors in its log', complaints, []);
  return judge.found(
    'alive',
    `the same process, with as many sockets as at first; a client that asked all the time was answered ${ways.exact} times, after ${slowest.toFixed(0)} ms at most`,
  );
}
