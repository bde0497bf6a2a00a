import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Endpoint } from '../../src/kernel/ports.js';

// What a host of the test's network does: serves, connects, counts who answered.

export type PeerOrder =
  | { readonly kind: 'serve'; readonly name: string; readonly port: number }
  | { readonly kind: 'count'; readonly connections: number; readonly to: Endpoint }
  | { readonly kind: 'open'; readonly to: Endpoint }
  /** `hear` says nothing and waits. */
  | { readonly kind: 'ask' | 'hear'; readonly connection: number };

/** Of how many connections who answered; what stands for a backend's name is the error of those that got no answer. */
export type Tally = Readonly<Record<string, number>>;

const patience = 4000;
const atOnce = 4;
const open: Lines[] = [];

/** Carries out an order; the answer is a Tally, the number of a connection, or who answered on it. */
export async function carryOut(order: PeerOrder): Promise<unknown> {
  switch (order.kind) {
    case 'serve':
      return await serve(order.name, order.port);
    case 'count':
      return await count(order.connections, order.to);
    case 'open': {
      const lines = createLines(order.to);
      const first = await lines.next();
      if (first.startsWith('E')) return first;
      return open.push(lines) - 1;
    }
    case 'ask':
      return (await open[order.connection]?.ask()) ?? 'no such connection';
    case 'hear':
      return (await open[order.connection]?.next()) ?? 'no such connection';
  }
}

/** Greets every connection with its name, and says it again for every line. */
async function serve(name: string, port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.unref();
    socket.on('error', () => {});
    socket.write(`${name}\n`);
    createInterface({ input: socket })
      .on('line', () => socket.write(`${name}\n`))
      .on('error', () => {});
  });
  server.listen(port, '::');
  await once(server, 'listening');
  // The process ends when nobody asks any more.
  server.unref();
}

async function count(connections: number, to: Endpoint): Promise<Tally> {
  const tally: Record<string, number> = {};
  let left = connections;
  const work = async () => {
    while (left-- > 0) {
      const lines = createLines(to);
      const answer = await lines.next();
      lines.end();
      tally[answer] = (tally[answer] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return tally;
}

interface Lines {
  /** The next line, or the code of the error that came instead, `EEND` for an orderly end, `ETIMEDOUT` after some seconds. */
  next(): Promise<string>;
  ask(): Promise<string>;
  end(): void;
}

function createLines({ ip, port }: Endpoint): Lines {
  const socket: Socket = connect(port, ip);
  socket.unref();
  const waiting: ((line: string) => void)[] = [];
  const come: string[] = [];
  let ended: string | undefined;
  const tell = (line: string) => {
    const first = waiting.shift();
    if (first === undefined) come.push(line);
    else first(line);
  };
  const finish = (code: string) => {
    ended ??= code;
    for (const waiter of waiting.splice(0)) waiter(ended);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'EIO'));
  socket.on('close', () => finish('EEND'));
  createInterface({ input: socket })
    .on('line', tell)
    .on('error', () => {});
  const next = () =>
    new Promise<string>((resolve) => {
      const line = come.shift() ?? ended;
      if (line !== undefined) return resolve(line);
      const timer = setTimeout(() => resolve('ETIMEDOUT'), patience);
      waiting.push((text) => {
        clearTimeout(timer);
        resolve(text);
      });
    });
  return {
    next,
    ask() {
      if (ended === undefined) socket.write('who\n');
      return next();
    },
    end: () => void socket.destroy(),
  };
}
