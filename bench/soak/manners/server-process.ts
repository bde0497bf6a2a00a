// A backend: on one port it does what its client says first; on others it speaks first, greets, or is silent.
import { createServer, type Socket } from 'node:net';
import { serveDeeds } from '../agent.js';
import { servers } from './places.js';
import { createEar, endOf, isWhole, listen, say } from './talk.js';

/** How connections ended here, by kind: in the way that they should have, or in which other. */
const seen = new Map<string, Map<string, number>>();
const held = new Set<Socket>();

function note(kind: string, how: string): void {
  const counts = seen.get(kind) ?? new Map<string, number>();
  seen.set(kind, counts.set(how, (counts.get(how) ?? 0) + 1));
}

/** What the second half of a kind's name says: `bulk:1000`. */
function detailOf(kind: string): number {
  return Number(kind.split(':')[1]);
}

type Kind = (socket: Socket, kind: string, key: number) => Promise<void>;

/** Answers after the client's end. */
const reply: Kind = async (socket, kind, key) => {
  note(kind, await endOf(socket));
  await say(socket, { kind, key: key + 1, length: (key * 7919) % (1 << 20) });
  socket.end();
};

const kinds: Readonly<Record<string, Kind>> = {
  reply,
  /** The same, of the one who asks all the time. */
  watch: reply,
  /** Says its piece, and resets when the client has told that it has heard it. */
  async resets(socket, kind, key) {
    await say(socket, { kind, key: key + 1, length: (key * 7919) % (1 << 18) });
    socket.once('data', () => socket.resetAndDestroy());
  },
  /** Tells that it has heard, and expects the client's reset. */
  async reset(socket, kind) {
    socket.write('.');
    note(kind, await endOf(socket));
  },
  /** Resets after the client's end. */
  async 'end-resets'(socket) {
    await endOf(socket);
    socket.resetAndDestroy();
  },
  /** Ends, and expects the client's reset. */
  async 'end-reset'(socket, kind) {
    socket.end('.');
    note(kind, await endOf(socket));
  },
  /** Speaks without being asked again, as fast as it is heard. */
  async bulk(socket, kind, key) {
    held.add(socket);
    const end = endOf(socket);
    await say(socket, { kind, key: key + 1, length: detailOf(kind) });
    if (!socket.destroyed) socket.end();
    note(kind, await end);
    held.delete(socket);
  },
  /** Says that it is ready, since what comes behind the first line at once is no part of it. */
  async echo(socket) {
    socket.write('.');
    socket.on('data', (chunk) => socket.write(chunk));
    await endOf(socket);
    socket.end();
  },
  /** Listens to all that comes. */
  async sink(socket) {
    await endOf(socket);
    socket.end();
  },
};

function accept(port: number, serve: (socket: Socket) => void): void {
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen({ port, backlog: 8192 });
}

accept(servers.asked, (socket) => {
  const ear = createEar();
  const hear = (chunk: Buffer) => {
    ear.hear(chunk);
    const { kind, key } = ear.heard();
    if (!isWhole(ear.heard())) return;
    socket.off('data', hear);
    // From here on each kind listens in its own way.
    socket.on('data', () => {});
    void kinds[kind.split(':')[0] ?? '']?.(socket, kind, key);
  };
  socket.on('data', hear);
  endOf(socket).then(() => {
    // Who only looks whether the VIP is there says nothing.
    if (!isWhole(ear.heard())) socket.end();
  });
});

let spoken = 0;
accept(servers.first, async (socket) => {
  const key = ++spoken;
  const heard = listen(socket, 'end');
  await say(socket, { kind: 'first', key, length: (key * 7919) % (1 << 20) });
  socket.end();
  const { heard: all, how } = await heard;
  note('first', isWhole(all) && all.key === key ? how : 'otherwise');
});

accept(servers.greeting, (socket) => {
  socket.write('hello');
  endOf(socket.resume()).then(() => socket.end());
});

accept(servers.silent, (socket) => {
  endOf(socket.resume()).then(() => socket.end());
});

const deeds = {
  /** How many ended how, of a kind. */
  seen: (kind: string) => Object.fromEntries(seen.get(kind) ?? []),
  /** Who is being spoken to, and how much they were told so far. */
  spokenTo() {
    return { count: held.size, bytes: [...held].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0) };
  },
  /** Resets them. */
  resetAll() {
    for (const socket of held) socket.resetAndDestroy();
  },
};

export type ServerDeeds = typeof deeds;

serveDeeds(deeds);
