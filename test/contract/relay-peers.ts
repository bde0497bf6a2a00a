import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { RelayBackend, Weighted } from '../../src/kernel/ports.js';
import { parseIp } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';

export const loopback = parseIp('127.0.0.1') ?? fail();
export const timeout = { scheduler: 'roundrobin', connectTimeout: millis(500), proxyProtocol: 'off' } as const;

function fail(): never {
  throw new Error('not an address');
}

/** A server on loopback that stands for a backend. */
export interface Peer extends Disposable {
  /** Of weight 1. */
  readonly backend: RelayBackend & Weighted;
  /** Every connection it ever took. */
  readonly sockets: readonly Socket[];
  /** The next connection that it takes. */
  next(): Promise<Socket>;
}

/** Starts a backend; `onSocket` serves its connections, which stay open for writing when the other side has ended. */
export async function startPeer(name: string, onSocket: (socket: Socket) => void = () => {}): Promise<Peer> {
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, loopback);
  await once(server, 'listening');
  return {
    backend: { name, ip: loopback, port: (server.address() as AddressInfo).port, weight: 1 },
    sockets,
    next: async () => (await once(server, 'connection'))[0],
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A backend whose port nobody listens on. */
export async function refusingBackend(name: string): Promise<RelayBackend & Weighted> {
  using peer = await startPeer(name);
  return peer.backend;
}

/** Connects to a port of loopback; half-open connections are allowed. An error is kept for `ending`. */
export function dial(port: number, host: string = loopback): Socket {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  return socket;
}

/** How a connection ends for the one who reads it: the data until FIN, or the error. */
export function ending(socket: Socket): Promise<{ readonly data: string; readonly how: string }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const done = (how: string) => resolve({ data: Buffer.concat(chunks).toString('latin1'), how });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('end', () => done('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
}

/** One request on a connection of its own: sends a line, ends, and returns the whole answer; throws when it was cut. */
export async function ask(port: number, line = 'hello', host: string = loopback): Promise<string> {
  const socket = dial(port, host);
  socket.end(line);
  const { data, how } = await ending(socket);
  if (how !== 'end') throw new Error(how);
  return data;
}

/** Serves `ask`: answers with the server's name when the question is complete. */
export function answering(name: string): (socket: Socket) => void {
  return (socket) => {
    socket.resume();
    socket.once('end', () => socket.end(name));
  };
}
