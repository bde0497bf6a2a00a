import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../../src/lab/network.js';
import { until } from '../../../test/netns/poll.js';
import { socketsOf } from '../memory.js';
import { at, type Bed } from './bed.js';
import { createJudge, type Finding, since } from './finding.js';
import { connectTimeout, servers, vips } from './places.js';

const count = 100;
/** Each way. More would say how fast megabytes are read that were on their way, not when an end is known. */
const streamsEach = 20;
/**
 * ms: what is not acknowledged is found after 15 to 20 s, silence by keep-alive after 15 s and 3 probes 5 s apart, for which the kernel is
 * asked at the first look, after 5 s (docs/decisions/0018).
 */
const found = { unacknowledged: 20_000, silent: 35_000, earliest: 15_000 };
/** For packets, looks and this program itself. */
const slack = 1000;
/** Sockets of the witness, meanwhile. */
const others = 8;

/** Drops what the rule says on a host, until disposed. */
async function drop(host: Host, hook: 'input' | 'output', rule: string): Promise<AsyncDisposable> {
  const words = `table ip vanish { chain c { type filter hook ${hook} priority 0; ${rule} drop; }; }`;
  await host.run('nft', [words]);
  return { [Symbol.asyncDispose]: async () => void (await host.run('nft', ['delete table ip vanish'])) };
}

/** ms until the relay has no more sockets than it had before. */
async function untilClosed(bed: Bed, sockets: number, within: number): Promise<number> {
  const began = performance.now();
  const isClosed = async () => (await socketsOf(bed.vipd.daemon)) <= sockets + others;
  await until(isClosed, { within, what: 'the end of what was open' }).catch(() => {});
  return performance.now() - began;
}

/** Connections that are begun and never completed cost the relay nothing, and nobody else. */
export async function halfOpen(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const flood = 1000;
  const before = await bed.counted('asked');
  const sockets = await socketsOf(bed.vipd.daemon);
  const half = ['state', 'syn-recv'];
  let most = 0;
  {
    await using _ = await drop(
      bed.client.host,
      'input',
      `ip saddr ${vips.asked.host} tcp flags & (syn | ack) == syn | ack`,
    );
    const connected = bed.client.agent.ask('begin', at('asked'), flood, 2000);
    await until(
      async () => {
        const text = await bed.vipd.host.run('ss', ['-tnH', ...half]);
        most = Math.max(most, text.split('\n').length - 1);
        return most >= flood;
      },
      { within: 2000, what: 'half-open connections' },
    ).catch(() => {});
    judge.same('connected', await connected, 0);
    judge.same('others meanwhile', await bed.witness.agent.ask('ends', at('asked'), 100), { exact: 100 });
    await bed.client.agent.ask('leave', 'close');
  }
  judge.same('half-open connections', most, flood);
  judge.most('sockets', await socketsOf(bed.vipd.daemon), sockets + others);
  judge.same('endings', since(before, await bed.counted('asked')), { '--': 100, total: 100 });
  return judge.found('SYN never completed', `${most} half-open connections at once; 100 others answered meanwhile`);
}

/** Clients that leave while the relay still connects to their backend. */
export async function clientsLeave(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const { client, server, vipd } = bed;
  const times: Record<string, number> = {};
  const before = await bed.counted('silent');
  const sockets = await socketsOf(vipd.daemon);
  {
    await using _ = await drop(server.host, 'input', `tcp dport ${servers.silent}`);
    const begin = async () => {
      judge.same('connected', await client.agent.ask('begin', at('silent'), count, 2000), count);
      await until(async () => (await socketsOf(vipd.daemon)) >= sockets + 2 * count, { what: 'the attempts' });
    };
    await begin();
    await client.agent.ask('leave', 'reset');
    times.reset = await untilClosed(bed, sockets, 10_000);
    judge.same('endings by reset', since(before, await bed.counted('silent')), { CC: count });
    await begin();
    await client.agent.ask('leave', 'close');
    times.close = await untilClosed(bed, sockets, 10_000);
    await begin();
    await client.host.linkDown();
    times.cut = await untilClosed(bed, sockets, 10_000);
    await client.agent.ask('leave', 'close');
    await client.host.linkUp();
  }
  judge.same('endings', since(before, await bed.counted('silent')), { CC: count, sC: 2 * count });
  judge.most('ms until the relay let go of those that reset', times.reset ?? Number.NaN, 500);
  for (const how of ['close', 'cut'])
    judge.most(`ms until it let go (${how})`, times[how] ?? Number.NaN, connectTimeout + slack);
  judge.same('served afterwards', await client.agent.ask('isServed', at('silent')), true);
  const ms = (how: string) => (times[how] ?? Number.NaN).toFixed(0);
  return judge.found(
    'client vanishes mid-connect',
    `${count} each, let go of after: reset ${ms('reset')} ms, closed ${ms('close')} ms, cable cut ${ms('cut')} ms (the connect timeout is ${connectTimeout} ms)`,
  );
}

/** The client's cable is cut while its backend is being connected, and then there is a backend: one that greets, one that does not. */
export async function cutBeforeOpen(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const { client, server } = bed;
  const before = { greeting: await bed.counted('greeting'), silent: await bed.counted('silent') };
  const closed: Record<string, number> = {};
  const ends = async (vip: 'greeting' | 'silent', since: number) => {
    await until(async () => (await bed.counted(vip)).open === 0, { within: 45_000, every: 200, what: vip }).catch(
      () => {},
    );
    closed[vip] = performance.now() - since;
  };
  {
    const ports = `{ ${servers.greeting}, ${servers.silent} }`;
    await using _ = await drop(server.host, 'input', `tcp dport ${ports}`);
    for (const vip of ['greeting', 'silent'] as const)
      judge.same('connected', await client.agent.ask('begin', at(vip), count, 2000), count);
    await client.host.linkDown();
  }
  await until(
    async () => (await bed.counted('silent')).open === count && (await bed.counted('greeting')).open === count,
    {
      what: 'the backends connected',
    },
  );
  const began = performance.now();
  await Promise.all([ends('greeting', began), ends('silent', began)]);
  await client.agent.ask('leave', 'close');
  await client.host.linkUp();
  judge.same('endings, greeted', since(before.greeting, await bed.counted('greeting')), { cD: count, total: count });
  judge.same('endings, silent', since(before.silent, await bed.counted('silent')), { CD: count, total: count });
  judge.most('ms, greeted', closed.greeting ?? Number.NaN, found.unacknowledged + slack);
  judge.most('ms, silent', closed.silent ?? Number.NaN, found.silent + slack);
  const s = (vip: string) => ((closed[vip] ?? Number.NaN) / 1000).toFixed(1);
  return judge.found(
    'client’s cable cut mid-connect',
    `${count} each, found after ${s('greeting')} s where a backend greeted, ${s('silent')} s where nothing was on its way`,
  );
}

/** The backend's process is killed, then its cable is cut, with streams in both directions. */
export async function backendVanishes(bed: Bed): Promise<Finding> {
  const judge = createJudge();
  const { client, mortal } = bed;
  const sockets = await socketsOf(bed.vipd.daemon);
  const streams = async (kind: 'sink' | 'bulk', number: number) =>
    client.agent.ask('stream', at('mortal'), kind, number);
  await streams('sink', streamsEach);
  await streams('bulk', streamsEach);
  await sleep(1000);
  const killed = client.agent.ask('endings', 10_000);
  await mortal.agent.kill();
  const afterKill = await killed;
  judge.most('ms until all clients knew of the kill', afterKill.last, 1000);
  judge.same('open after the kill', afterKill.ways['stays open'], undefined);
  await untilClosed(bed, sockets, 5000);
  judge.most('sockets after the kill', await socketsOf(bed.vipd.daemon), sockets + others);

  mortal.agent = await bed.startServer(mortal.host);
  await until(() => client.agent.ask('isServed', at('mortal')), { what: 'the backend again' });
  const before = await bed.counted('mortal');
  // One after the other would be a minute: each kind has a client of its own.
  const other = await bed.startClient(client.host);
  await streams('sink', streamsEach);
  await other.ask('stream', at('mortal'), 'bulk', streamsEach);
  await sleep(1000);
  await mortal.host.linkDown();
  const [sink, bulk] = await Promise.all([client.agent.ask('endings', 60_000), other.ask('endings', 60_000)]);
  await other.kill();
  await mortal.host.linkUp();
  judge.same('how those ended that were sending', sink.ways, { ECONNRESET: streamsEach });
  judge.same('how those ended that were receiving', bulk.ways, { ECONNRESET: streamsEach });
  judge.most('ms before the first could be found, sending', found.earliest - sink.first, slack);
  judge.most('ms before the first could be found, receiving', found.earliest - bulk.first, slack);
  judge.most('ms, sending', sink.last, found.unacknowledged + slack);
  judge.most('ms, receiving', bulk.last, found.silent + slack);
  judge.same('endings', since(before, await bed.counted('mortal')), {
    SD: streamsEach,
    sD: streamsEach,
    total: 2 * streamsEach,
  });
  return judge.found(
    'backend vanishes mid-stream',
    `${2 * streamsEach} streams; killed: all clients knew after ${afterKill.last.toFixed(0)} ms; cable cut: after ${span(sink)} s where data went to it, ${span(bulk)} s where data came from it`,
  );
}

function span({ first, last }: { readonly first: number; readonly last: number }): string {
  return `${(first / 1000).toFixed(1)} to ${(last / 1000).toFixed(1)}`;
}
