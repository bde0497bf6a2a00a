import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { holdOpen, type Served, startClients, startEcho } from './answered-clients.js';
import { loopback } from './relay-peers.js';

/** What came of so many hand-overs under load. */
export interface HandedOver extends Served {
  /** Of the connections that were open from the beginning to the end. */
  readonly held: readonly string[];
  /** Connections that the first process had when it was taken over. */
  readonly heldByFirst: number;
  /** ms of each hand-over, from the order until the old one has left. */
  readonly took: readonly number[];
  /** How the connections of all processes ended, by HAProxy's letters, and the processes, by exit status. */
  readonly endings: Readonly<Record<string, number>>;
  readonly exits: Readonly<Record<string, number>>;
}

/** Processes that have started and wait for their turn. */
const waiting = 3;

/** Clients are of many addresses, so that none runs out of ports. */
function dialFrom(number: number, port: number): Socket {
  const localAddress = `127.0.1.${1 + (number % 250)}`;
  return connect({ port, host: loopback, localAddress, allowHalfOpen: true, noDelay: true });
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** One process of the row. */
interface Link {
  readonly child: Child;
  /** Has it take over; resolves with the port when it leads. */
  go(): Promise<number>;
  /** Its exit status, and what it said in the end. */
  readonly ended: Promise<{
    readonly status: number | string;
    readonly left: number;
    readonly endings: Record<string, number>;
  }>;
}

function startLink(path: string, backend: number, place: string): Link {
  const script = join(import.meta.dirname, 'handover-process.js');
  const child = spawn(process.execPath, [script, path, String(backend), place], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const said = async (word: string) => {
    for (;;) {
      const line = lines.find((one) => one.startsWith(word));
      if (line !== undefined) return line;
      const [next] = await Promise.race([once(output, 'line'), closed.then(() => [undefined])]);
      if (next === undefined) throw new Error(`a process ended before it said ${word}`);
    }
  };
  const ended = closed.then(([status, signal]) => {
    const left = lines.find((line) => line.startsWith('left with '));
    const last = lines.at(-1) ?? '';
    return {
      status: status ?? signal,
      left: Number(left?.split(' ').at(-1)),
      endings: last.startsWith('{') ? JSON.parse(last) : {},
    };
  });
  return {
    child,
    ended,
    async go() {
      await said('ready');
      child.stdin.end('go\n');
      return Number((await said('leads')).split(' ')[1]);
    },
  };
}

/** One process after the other takes the listener over from the one before, while clients come. */
export async function handOver(options: {
  readonly times: number;
  readonly perSecond: number;
  readonly held: number;
  readonly onProgress?: (done: number) => void;
}): Promise<HandedOver> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-handover-'));
  const path = join(folder, 'socket');
  using echo = await startEcho(loopback);
  const running = new Set<Child>();
  const start = (place: string) => {
    const link = startLink(path, echo.port, place);
    running.add(link.child);
    link.child.on('close', () => running.delete(link.child));
    return link;
  };
  try {
    const first = start('first');
    const port = await first.go();
    const held = await Promise.all(
      Array.from({ length: options.held }, (_, i) => holdOpen((number) => dialFrom(number, port), i)),
    );
    const next = Array.from({ length: waiting }, () => start(String(port)));
    const clients = startClients((number) => dialFrom(number, port), options.perSecond);
    const took: number[] = [];
    const ends: Promise<Awaited<Link['ended']>>[] = [];
    let last = first;
    for (let done = 0; done < options.times; done++) {
      if (done + next.length < options.times) next.push(start(String(port)));
      const heir = next.shift() as Link;
      const began = performance.now();
      await heir.go();
      took.push(performance.now() - began);
      ends.push(last.ended);
      last = heir;
      options.onProgress?.(done + 1);
    }
    const ended = await clients.stop();
    const isFirstAlive = first.child.exitCode === null;
    const hows = await Promise.all(held.map((one) => one.end()));
    const results = await Promise.all(ends);
    const sum = (records: readonly Record<string, number>[]) => {
      const all: Record<string, number> = {};
      for (const [key, count] of records.flatMap(Object.entries)) all[key] = (all[key] ?? 0) + count;
      return all;
    };
    return {
      ...ended,
      held: hows,
      heldByFirst: isFirstAlive ? (results[0]?.left ?? 0) : 0,
      took,
      endings: sum(results.map(({ endings }) => endings)),
      exits: sum(results.map(({ status }) => ({ [String(status)]: 1 }))),
    };
  } finally {
    for (const child of running) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}
