// Clients that want an answer each, from a server that gives it: whoever is refused, reset, cut or left waiting is counted.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Begins a connection whose ends close each by itself. */
export type Dial = (number: number) => Socket;

export interface Served {
  /** Clients by how they ended: `answered`, or the error's code, `timeout`, or `cut` with half an answer. */
  readonly clients: Readonly<Record<string, number>>;
  readonly perSecond: number;
}

/** A client has so many ms. */
const patience = 5000;
/** Clients at once, half a second's: where the machine is too busy for the rate, they become fewer a second and not ever more at once. */
const clientsAtMost = 250;

/** Echoes whole lines at once, and says `end` when the client has ended. */
export async function startEcho(ip: string, at = 0): Promise<{ readonly port: number } & Disposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('end'));
  });
  server.listen({ port: at, host: ip, backlog: 4096 });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How a client ends that wants to hear this: the same, then `end`, then FIN. */
function outcome(socket: Socket, wanted: () => string): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => {
      if (heard === `${wanted()}end`) resolve('answered');
      else if (!socket.writable) resolve('cut');
      // A reset that is there together with the last bytes is an end to libuv (uv__stream_io); the error stays for who writes.
      else socket.write('?', (error) => resolve((error as NodeJS.ErrnoException | null | undefined)?.code ?? 'cut'));
    });
    socket.on('timeout', () => {
      resolve('timeout');
      socket.destroy();
    });
  });
}

/** Begins so many connections a second, as far as the machine can, until stopped; each asks, hears the answer, and ends. */
export function startClients(dial: Dial, perSecond: number): { stop(): Promise<Served> } {
  const clients: Record<string, number> = {};
  const open = new Set<Promise<void>>();
  const began = performance.now();
  const due = () => ((performance.now() - began) / 1000) * perSecond;
  let count = 0;
  const timer = setInterval(() => {
    for (; count < due() && open.size < clientsAtMost; count++) {
      const socket = dial(count);
      socket.setTimeout(patience);
      const line = `request ${count}\n`;
      const done = outcome(socket, () => line).then((how) => {
        clients[how] = (clients[how] ?? 0) + 1;
        open.delete(done);
      });
      open.add(done);
      socket.end(line);
    }
  }, 1);
  return {
    async stop() {
      clearInterval(timer);
      const seconds = (performance.now() - began) / 1000;
      await Promise.all(open);
      return { clients, perSecond: count / seconds };
    },
  };
}

/** A connection that stays open, and says a line now and then; `end` gives how it ended. */
export async function holdOpen(dial: Dial, number: number): Promise<{ end(): Promise<string> }> {
  const socket = dial(number);
  let said = '';
  const say = () => {
    said += `held ${number}\n`;
    socket.write(`held ${number}\n`);
  };
  const how = outcome(socket, () => said);
  say();
  await once(socket, 'data');
  const timer = setInterval(say, 250);
  return {
    async end() {
      clearInterval(timer);
      // What has come already is heard first.
      await nextTurn();
      await nextTurn();
      socket.end();
      return Promise.race([how, sleep(patience, 'timeout', { ref: false })]);
    },
  };
}
