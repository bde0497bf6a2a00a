import { until } from '../../../test/netns/poll.js';
import { at, type Bed } from './bed.js';
import { createJudge, type Finding, since } from './finding.js';
import type { Vip } from './places.js';

/** Of each kind. */
const count = 1000;

/** One side ends, the other goes on for as long as it likes. */
export async function halfClose(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const [asked, first] = [await bed.counted('asked'), await bed.counted('first')];
  judge.same('clients that end first', await bed.client.agent.ask('ends', at('asked'), count), { exact: count });
  judge.same('clients that are ended', await bed.client.agent.ask('isEnded', at('first'), count), { exact: count });
  await settled(bed, 'first');
  judge.same('backends that were ended', await bed.server.agent.ask('seen', 'reply'), { end: count });
  // Those that looked whether the VIP is there said nothing.
  const heard = await bed.server.agent.ask('seen', 'first');
  judge.same('backends that ended first', heard.end, count);
  for (const [vip, before] of [
    ['asked', asked],
    ['first', first],
  ] as const)
    judge.same(`endings of ${vip}`, since(before, await bed.counted(vip)), { '--': count, total: count });
  return judge.found('half-close', `${count} connections ended by the client first, ${count} by the backend`);
}

/** A reset is a reset on the other side, with all that was said before it. */
export async function resets(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const { client, server } = bed;
  const before = await bed.counted('asked');
  judge.same('resets by the backend', await client.agent.ask('isReset', at('asked'), count), { exact: count });
  const afterEnd = await client.agent.ask('isResetAfterEnd', at('asked'), count);
  judge.same('resets by the backend after the client’s end', afterEnd, { exact: count });
  await client.agent.ask('resets', at('asked'), 'reset', count);
  await client.agent.ask('resets', at('asked'), 'end-reset', count);
  await client.agent.ask('resetsBulk', at('asked'), count / 10);
  await client.agent.ask('stall', at('asked'), count / 10);
  await stalled(bed, count / 10);
  await server.agent.ask('resetAll');
  await settled(bed, 'asked');
  judge.same('resets by the backend while nobody reads', await client.agent.ask('areReset'), { exact: count / 10 });
  for (const kind of ['reset', 'end-reset'])
    judge.same(`what backends saw of ${kind}`, await server.agent.ask('seen', kind), { ECONNRESET: count });
  // Half of these were the client's; who is writing may be told so by either name.
  const bulk = await server.agent.ask('seen', `bulk:${1 << 30}`);
  const { ECONNRESET = 0, EPIPE = 0, close = 0 } = bulk;
  judge.same('what backends saw of resets in bulk', [ECONNRESET + EPIPE, close], [count / 10, count / 10]);
  const ended = since(before, await bed.counted('asked'));
  const each = 2 * count + count / 10;
  judge.same('endings', ended, { CD: each, SD: each, total: 2 * each });
  return judge.found(
    'RST',
    `${each} connections reset by the client, ${each} by the backend: idle, after an end, in bulk`,
  );
}

/** So many are spoken to, and nobody hears more: every buffer on the way is full. */
async function stalled({ server }: Bed, count: number): Promise<void> {
  let before = -1;
  const isFull = async () => {
    const { count: spokenTo, bytes } = await server.agent.ask('spokenTo');
    const isStill = spokenTo === count && bytes === before;
    before = bytes;
    return isStill;
  };
  await until(isFull, { every: 1000, within: 60_000, what: 'full buffers' });
}

async function settled(bed: Bed, vip: Vip): Promise<void> {
  await until(async () => (await bed.counted(vip)).open === 0, {
    every: 100,
    what: `no connection open through ${vip}`,
  });
}
