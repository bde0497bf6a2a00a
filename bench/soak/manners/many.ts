import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds } from '../../proxies/contestants.js';
import { residentOf } from '../memory.js';
import { at, type Bed, type Client } from './bed.js';
import { createJudge, type Finding, since } from './finding.js';
import { hosts, servers } from './places.js';

const connections = 5000;
const idleSeconds = 60;
/** Of one processor, more than without connections. */
const idleShare = 0.01;
/** Of one processor, while clients wait that cannot be taken; every 10 ms it is looked whether they can. */
const pausedShare = 0.05;

/** The share of one processor that a process uses. */
async function useOf(process: { readonly pid: number }, seconds: number): Promise<number> {
  const before = await cpuSeconds(process);
  await sleep(1000 * seconds);
  return ((await cpuSeconds(process)) - before) / seconds;
}

/** Thousands who say nothing for a minute cost nothing, and are served as before when they speak again. */
export async function idle({ vipd, client, counted }: Bed): Promise<Finding> {
  const judge = createJudge();
  const before = await counted('asked');
  const [alone, resident] = [await useOf(vipd.daemon, 20), await residentOf(vipd.daemon)];
  judge.same('opened', await client.agent.ask('open', at('asked'), connections), { exact: connections });
  // The first look at each, after 5 s, is the last one at those that have nothing on its way.
  await sleep(10_000);
  const use = await useOf(vipd.daemon, idleSeconds);
  judge.same('open', (await counted('asked')).open, connections);
  judge.same('still answered', await client.agent.ask('stillAnswer'), { exact: connections });
  const grown = (await residentOf(vipd.daemon)) - resident;
  await client.agent.ask('leave', 'close');
  await sleep(1000);
  judge.same('endings', since(before, await counted('asked')), { '--': connections, total: connections });
  judge.most('processor time more than without them', use - alone, idleShare);
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return judge.found(
    'idle connections',
    `${connections} for ${idleSeconds} s: ${percent(use)} of a processor (${percent(alone)} without them), ${(grown / connections).toFixed(1)} KiB each; all answered at the end`,
  );
}

/** More clients than descriptors: those inside are served, the others wait, nobody is lost. */
async function crowd(
  what: string,
  many: number,
  seconds: number,
  parts: { readonly process: { readonly pid: number }; readonly client: Client; readonly place: ReturnType<typeof at> },
): Promise<Finding> {
  const judge = createJudge();
  const { process, client, place } = parts;
  const served = await client.ask('crowd', place, many);
  judge.most('served at once', served, many - 1);
  judge.same('some are served', served > 0, true);
  const use = await useOf(process, seconds);
  judge.most('processor time while clients wait', use, pausedShare);
  judge.same('served as before', await client.ask('stillAnswer'), { exact: served });
  judge.same('those who waited', await client.ask('crowdLeaves'), { exact: many - served });
  return judge.found(
    'EMFILE',
    `${what}: ${served} of ${many} clients inside, ${(100 * use).toFixed(2)} % of a processor while the others waited for ${seconds} s, all served then`,
  );
}

/** The whole daemon with few descriptors: its own share of them is left alone, so that it keeps its VIP. */
export async function fewDescriptors(bed: Bed): Promise<Finding> {
  const { host, daemon } = await bed.startTight(256);
  const place = at('tight');
  const found = await crowd('the daemon with 256 descriptors', 400, 10, {
    process: daemon,
    client: bed.client.agent,
    place,
  });
  const judge = createJudge();
  judge.same(
    'the VIP is there',
    (await host.addresses()).some(({ ip }) => ip === place.host),
    true,
  );
  judge.same('alive', daemon.running(), true);
  daemon.signal('SIGTERM');
  judge.same('its end', (await daemon.ended).code, 0);
  const { wrong } = judge.found('', '');
  return {
    ...found,
    wrong: [...found.wrong, ...wrong],
    says: `${found.says}; the VIP stayed`,
  };
}

/**
 * A relay without such a share: the kernel itself refuses it descriptors. One that it accepts needs a second for its backend, or would be reset after
 * the connect timeout, 5 s here: the crowd stays for longer.
 */
export async function noDescriptors(bed: Bed): Promise<Finding> {
  const script = join(import.meta.dirname, '../../../test/netns/relay-process.js');
  const words = ['--nofile=64:64', '--', process.execPath, script, 'one', hosts.server, String(servers.asked)];
  const relay = bed.vipd.host.spawn('prlimit', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (relay.stdout === null || relay.pid === undefined) throw new Error('the relay does not start');
  const lines = createInterface({ input: relay.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  const client = await bed.startClient(bed.vipd.host);
  const place = { host: '127.0.0.1', port };
  const found = await crowd('a relay with 64', 300, 10, { process: { pid: relay.pid }, client, place });
  const exited = once(relay, 'exit');
  relay.stdin?.end();
  const counted = JSON.parse((await lines.next()).value ?? '{}');
  const [status] = await exited;
  await client.kill();
  const judge = createJudge();
  judge.same(
    'counted',
    { refused: counted.refused, total: counted.total, status },
    { refused: 0, total: 300, status: 0 },
  );
  return { ...found, wrong: [...found.wrong, ...judge.found('', '').wrong] };
}
