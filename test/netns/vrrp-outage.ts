import { startClient } from '../../src/lab/client.js';
import { longestGap } from '../../src/lab/measure.js';
import { millis } from '../../src/time/instant.js';
import { until } from './poll.js';
import { program } from './program.js';
import { type Contestant, type Pair, type Timers, vip, withPair } from './vrrp-pair.js';

/**
 * What happens to the master: its cable is pulled at the switch, and it sees that its carrier is gone; the switch forwards nothing any
 * more to or from it, and it sees nothing; it is told to stop.
 */
export const mishaps = ['cut', 'silent-cut', 'stop'] as const;
export type Mishap = (typeof mishaps)[number];

/** What came of it, in milliseconds. */
export interface Outage {
  /** From the last connection before to the first one after, as the client saw it. */
  readonly length: number;
  /** Attempts that came to nothing. */
  readonly failed: number;
  /** From the mishap to the last advertisement that the second had received before it advertised: how it was timed; mostly negative. */
  readonly lastHeard: number;
  /** From that last advertisement to what the second sent first. */
  readonly advertised: number;
  readonly announced: number;
  readonly answered: number;
}

const port = 9000;
const every = millis(2);

/**
 * Has a client connect to the VIP every 2 ms and does something to the master. Both contestants' hosts run the same server.
 * It happens half an interval after an advertisement, or the outage would be longer or shorter by up to an interval by chance.
 */
export async function measureOutage(
  contestant: Contestant,
  timers: Timers,
  mishap: Mishap,
  folder: string,
): Promise<Outage> {
  let outage: Outage | undefined;
  await withPair(contestant, timers, folder, async (pair) => {
    const { first, second, client, sightings } = pair;
    const script = `require('net').createServer((s) => { s.on('error', () => {}); s.end() }).listen(${port})`;
    for (const host of [first, second]) host.spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const probe = startClient(client, program).probe({ ip: vip, port, kind: 'connect', every, timeout: millis(100) });
    const answers = () => probe.results.filter(({ outcome }) => outcome === 'ok').length;
    await until(() => answers() > 250, { what: 'answers' });

    const before = sightings.length;
    const heard = await until(() => sightings.slice(before).find(({ what }) => what === 'advertisement'), {
      every: 1,
      what: 'an advertisement',
    });
    const due = heard.at + timers.advertInterval / 2;
    await until(() => Date.now() >= due, { every: 1, what: 'the moment' });
    const began = Date.now();
    await happen(pair, mishap);
    const isSeconds = (what: string) => (one: { readonly by: string; readonly what: string }) =>
      one.by === 'second' && one.what === what;
    const bySecond = (what: string) => sightings.slice(before).find(isSeconds(what))?.at;
    await until(() => bySecond('answer') !== undefined, { what: 'an answer of the second' });
    const answersBefore = answers();
    await until(() => answers() > answersBefore + 250, { what: 'answers again' });
    const results = await probe.stop();

    const took = bySecond('advertisement') ?? Number.NaN;
    const last = sightings.filter(({ at, by, what }) => by === 'first' && what === 'advertisement' && at < took).at(-1);
    const lastHeard = last?.at ?? Number.NaN;
    // Before it, a hiccup of the client may have been longer than a good hand-over is.
    const since = results.filter(({ at }) => at > began - 20);
    outage = {
      length: longestGap(since, since[0]?.at ?? 0, since.at(-1)?.at ?? 0).length,
      failed: results.filter(({ outcome }) => outcome !== 'ok').length,
      lastHeard: lastHeard - began,
      advertised: took - lastHeard,
      announced: (bySecond('announcement') ?? Number.NaN) - lastHeard,
      answered: (bySecond('answer') ?? Number.NaN) - lastHeard,
    };
  });
  if (outage === undefined) throw new Error('nothing was measured');
  return outage;
}

async function happen({ network, first, daemons }: Pair, mishap: Mishap): Promise<void> {
  switch (mishap) {
    case 'cut':
      return first.linkDown();
    case 'silent-cut':
      // Up, but no longer of the bridge: setting the port's state does not last without STP.
      await network.switch.run('ip', ['link', 'set', 'dev', first.name, 'nomaster']);
      return;
    case 'stop':
      return daemons.first.signal('SIGTERM');
  }
}
