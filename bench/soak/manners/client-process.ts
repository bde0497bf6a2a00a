// A client of the relay, at another host. Every deed tells how its connections ended: `exact`, or what was otherwise.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { dial } from '../../../test/contract/relay-peers.js';
import { serveDeeds } from '../agent.js';
import { createEar, endOf, type Heard, isWhole, listen, say, turn } from './talk.js';

/** How many ended in which way. */
export type Tally = Readonly<Record<string, number>>;

interface Place {
  readonly host: string;
  readonly port: number;
}

const parallel = 50;

async function tally(count: number, one: (number: number) => Promise<string>): Promise<Tally> {
  const ways: Record<string, number> = {};
  let next = 0;
  const work = async () => {
    while (next < count) {
      const how = await one(++next);
      ways[how] = (ways[how] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, work));
  return ways;
}

function verdict(heard: Heard, key: number, how: string, wanted: string): string {
  if (how !== wanted) return `${how} instead of ${wanted}`;
  return isWhole(heard) && heard.key === key ? 'exact' : `${heard.got} of ${heard.length} bytes`;
}

/** Lengths from nothing to 1 MiB. */
function lengthOf(number: number): number {
  return (number * 104_729) % (1 << 20);
}

async function ask(
  { host, port }: Place,
  key: number,
  saying = { kind: 'reply', length: lengthOf(key) },
): Promise<string> {
  const socket = dial(port, host);
  const answer = listen(socket, 'end');
  await say(socket, { ...saying, key });
  socket.end();
  const { heard, how } = await answer;
  return verdict(heard, key + 1, how, 'end');
}

/** Those that stay until they are asked again. */
const held: Socket[] = [];
/** How streams ended, and when: that can be before somebody asks. */
const ended = new WeakMap<Socket, Promise<{ readonly how: string; readonly at: number }>>();
let crowd = createCrowd();

function createCrowd() {
  const state = {
    waiting: new Set<Socket>(),
    served: [] as Socket[],
    ways: {} as Record<string, number>,
    leaves: false,
    done: () => {},
    over(socket: Socket, how: string) {
      state.waiting.delete(socket);
      state.ways[how] = (state.ways[how] ?? 0) + 1;
      socket.destroy();
      if (state.waiting.size === 0) state.done();
    },
  };
  return state;
}

let witness: { stop: boolean; done: Promise<unknown> } | undefined;

const deeds = {
  /** Whether the VIP has a backend: a relay without one resets its clients at once. */
  async isServed({ host, port }: Place): Promise<boolean> {
    const socket = dial(port, host);
    const greeted = once(socket, 'data').then(() => true);
    const patience = once(socket, 'connect').then(() => sleep(150, true));
    const isServed = await Promise.race([greeted, patience, endOf(socket).then(() => false)]).catch(() => false);
    socket.destroy();
    return isServed;
  },
  /** Ends first, and is answered after that. */
  ends: (place: Place, count: number) => tally(count, (key) => ask(place, key)),
  /** Is spoken to and left by the other's end, and answers after that. */
  isEnded: ({ host, port }: Place, count: number) =>
    tally(count, async () => {
      const socket = dial(port, host);
      const { heard, how } = await listen(socket, 'end');
      await say(socket, { kind: 'reply', key: heard.key, length: lengthOf(heard.key) });
      socket.end();
      return verdict(heard, heard.key, how, 'end');
    }),
  /** Is reset after it has heard everything. */
  isReset: ({ host, port }: Place, count: number) =>
    tally(count, async (key) => {
      const socket = dial(port, host);
      const end = endOf(socket);
      const answer = listen(socket, 'whole');
      await say(socket, { kind: 'resets', key, length: 10 });
      const { heard, how } = await answer;
      socket.write('!');
      return how === 'whole' ? verdict(heard, key + 1, await end, 'ECONNRESET') : how;
    }),
  /** Is reset after its own end. */
  isResetAfterEnd: ({ host, port }: Place, count: number) =>
    tally(count, async (key) => {
      const socket = dial(port, host);
      const end = endOf(socket);
      await say(socket, { kind: 'end-resets', key, length: lengthOf(key) });
      socket.end();
      const how = await end;
      return how === 'ECONNRESET' ? 'exact' : how;
    }),
  /** Resets when it was answered, or (`end-reset`) when the other has ended. */
  resets: ({ host, port }: Place, kind: 'reset' | 'end-reset', count: number) =>
    tally(count, async (key) => {
      const socket = dial(port, host);
      await say(socket, { kind, key, length: lengthOf(key) });
      await once(socket, 'data');
      if (kind === 'end-reset') await once(socket, 'end');
      socket.resetAndDestroy();
      return 'exact';
    }),
  /** Asks for bulk, hears a little of it, and resets while more is on its way. */
  resetsBulk: ({ host, port }: Place, count: number) =>
    tally(count, async (key) => {
      const socket = dial(port, host);
      await say(socket, { kind: `bulk:${1 << 30}`, key, length: 0 });
      await once(socket, 'data');
      socket.pause().resetAndDestroy();
      return 'exact';
    }),
  /** Asks for bulk and reads none of it; `areReset` tells how many have been reset when they write. */
  async stall({ host, port }: Place, count: number) {
    for (let key = 1; key <= count; key++) {
      const socket = dial(port, host).pause();
      held.push(socket);
      await say(socket, { kind: `bulk:${1 << 30}`, key, length: 0 });
    }
  },
  async areReset(): Promise<Tally> {
    const all = held.splice(0);
    return tally(all.length, async (number) => {
      const socket = all[number - 1] as Socket;
      const end = endOf(socket);
      socket.write('anyone there?');
      const how = await end;
      return how === 'ECONNRESET' || how === 'EPIPE' ? 'exact' : how;
    });
  },
  /** Reads 1 KiB a second of a bulk of so many bytes for so long, then all the rest as fast as it can. */
  readSlowly: ({ host, port }: Place, count: number, length: number, seconds: number) =>
    tally(count, async (key) => {
      const ear = createEar();
      let budget = 1024;
      const socket: Socket = connect({
        ...{ host, port, allowHalfOpen: true, noDelay: true },
        onread: {
          buffer: Buffer.alloc(1024),
          callback(size, bytes) {
            ear.hear(Buffer.from(bytes.subarray(0, size)));
            budget -= size;
            return budget > 0;
          },
        },
      });
      const end = endOf(socket);
      await once(socket, 'connect');
      await say(socket, { kind: `bulk:${length}`, key, length: 0 });
      for (let second = 0; second < seconds; second++) {
        await sleep(1000);
        budget = 1024;
        socket.resume();
      }
      const slow = ear.heard().got;
      budget = Number.POSITIVE_INFINITY;
      socket.resume();
      const how = await end;
      socket.end();
      // A little more than a piece a second: the last may have come late.
      return slow > 1024 * (seconds + 2)
        ? `${slow} bytes read in ${seconds} s`
        : verdict(ear.heard(), key + 1, how, 'end');
    }),
  /** Begins connections; tells how many are connected, as far as this kernel knows, after so many ms. */
  async begin({ host, port }: Place, count: number, patience: number): Promise<number> {
    const fresh = Array.from({ length: count }, () => dial(port, host));
    held.push(...fresh);
    await Promise.race([Promise.all(fresh.map((socket) => once(socket, 'connect').catch(() => {}))), sleep(patience)]);
    return fresh.filter((socket) => socket.readyState === 'open').length;
  },
  /** Leaves those: by a reset, by the end of both directions, or without a word because nobody hears it. */
  leave(how: 'reset' | 'close') {
    for (const socket of held.splice(0)) how === 'reset' ? socket.resetAndDestroy() : socket.destroy();
  },
  /** How those streams end, each within so many ms, and when the first and the last of them. */
  async endings(patience: number): Promise<{ readonly ways: Tally; readonly first: number; readonly last: number }> {
    const all = held.splice(0);
    const began = performance.now();
    const times: number[] = [];
    const ways = await Promise.all(
      all.map(async (socket) => {
        const stays = sleep(patience).then(() => ({ how: 'stays open', at: performance.now() }));
        const { how, at } = await Promise.race([ended.get(socket) ?? stays, stays]);
        times.push(at - began);
        socket.destroy();
        return how;
      }),
    );
    const counted: Record<string, number> = {};
    for (const how of ways) counted[how] = (counted[how] ?? 0) + 1;
    return { ways: counted, first: Math.min(...times), last: Math.max(...times) };
  },
  /** Opens streams: `sink`, to which it speaks without end, `bulk`, to which it listens, `both`; resolves when each has carried something. */
  async stream({ host, port }: Place, kind: 'sink' | 'bulk', count: number) {
    for (let key = 1; key <= count; key++) {
      const socket = dial(port, host);
      held.push(socket);
      ended.set(
        socket,
        endOf(socket).then((how) => ({ how, at: performance.now() })),
      );
      await once(socket, 'connect');
      if (kind === 'bulk') {
        await say(socket, { kind: `bulk:${2 ** 40}`, key, length: 0 });
        await once(socket, 'data');
        socket.resume();
      } else {
        await say(socket, { kind, key, length: 0 });
        const chunk = Buffer.alloc(1 << 16);
        const fill = async () => {
          await turn();
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', fill).resume();
        void fill();
      }
    }
  },
  /** Opens connections to the echo, each of which has carried a line. */
  async open(place: Place, count: number): Promise<Tally> {
    const { host, port } = place;
    return tally(count, async (key) => {
      const socket = dial(port, host);
      held.push(socket);
      await say(socket, { kind: 'echo', key, length: 0 });
      await once(socket, 'data');
      socket.write(`${key}`);
      const [data] = await once(socket, 'data');
      return String(data) === `${key}` ? 'exact' : String(data);
    });
  },
  /** Has each of those answer once more; they stay. */
  async stillAnswer(): Promise<Tally> {
    return tally(held.length, async (number) => {
      const socket = held[number - 1] as Socket;
      if (socket.destroyed) return 'gone';
      socket.write(`again ${number}`);
      const [data] = await once(socket, 'data');
      return String(data) === `again ${number}` ? 'exact' : String(data);
    });
  },
  /** Comes with so many at once that not all are served; tells how many are, when they do not become more. */
  async crowd({ host, port }: Place, count: number): Promise<number> {
    for (let key = 1; key <= count; key++) {
      const socket = dial(port, host);
      crowd.waiting.add(socket);
      void say(socket, { kind: 'echo', key, length: 0 });
      socket.once('data', (data) => {
        crowd.waiting.delete(socket);
        if (crowd.leaves) return crowd.over(socket, String(data) === '.' ? 'exact' : String(data));
        crowd.served.push(socket);
      });
      socket.once('error', (error: NodeJS.ErrnoException) => crowd.over(socket, error.code ?? error.message));
    }
    for (let before = -1; before !== crowd.served.length; await sleep(1000)) before = crowd.served.length;
    held.push(...crowd.served);
    return crowd.served.length;
  },
  /** Those who are served leave, and so does everybody who is served after them; tells how it went for those who had to wait. */
  async crowdLeaves(): Promise<Tally> {
    crowd.leaves = true;
    held.length = 0;
    const all = new Promise<void>((resolve) => {
      crowd.done = resolve;
    });
    if (crowd.waiting.size === 0) crowd.done();
    for (const socket of crowd.served.splice(0)) socket.destroy();
    await Promise.race([all, sleep(20_000)]);
    const { ways } = crowd;
    if (crowd.waiting.size > 0) ways['never served'] = crowd.waiting.size;
    crowd = createCrowd();
    return ways;
  },
  /** Asks something every 20 ms from now on, until `witnessed`. */
  witness(place: Place) {
    const ways: Record<string, number> = {};
    let slowest = 0;
    const state = { stop: false, done: Promise.resolve() as Promise<unknown> };
    const work = async () => {
      for (let key = 1; !state.stop; key++) {
        const began = performance.now();
        const how = await ask(place, key, { kind: 'watch', length: 1000 });
        ways[how] = (ways[how] ?? 0) + 1;
        slowest = Math.max(slowest, performance.now() - began);
        await sleep(20);
      }
      return { ways, slowest };
    };
    state.done = work();
    witness = state;
  },
  async witnessed(): Promise<{ readonly ways: Tally; readonly slowest: number }> {
    if (witness === undefined) throw new Error('there is no witness');
    witness.stop = true;
    return (await witness.done) as { ways: Tally; slowest: number };
  },
};

export type ClientDeeds = typeof deeds;

serveDeeds(deeds);
