import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { random, type Seed } from '../../src/time/random.js';

const block = randomBytes(1 << 20);

/** Writes `length` bytes in pieces of 1 byte to 1 MiB, small ones as likely as large ones, ends, and returns their SHA-256. */
async function send(socket: Socket, length: number, seed: number): Promise<string> {
  const hash = createHash('sha256');
  let state = seed as Seed;
  for (let left = length; left > 0; ) {
    const drawn = random(state);
    state = drawn.seed;
    const size = Math.min(left, Math.floor(2 ** (drawn.value * 20)));
    const offset = Math.floor(drawn.value * (block.length - size));
    const piece = block.subarray(offset, offset + size);
    left -= size;
    hash.update(piece);
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  socket.end();
  return hash.digest('hex');
}

/** The SHA-256 of all that comes until the end. (`for await` would close the other direction too.) */
async function receive(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  await once(socket, 'end');
  return hash.digest('hex');
}

/**
 * Sends `length` bytes each way at once, and returns what each side sent beside what the other received.
 * @param number of several exchanges: each has other data
 */
export async function exchange(
  client: Socket,
  server: Socket,
  length: number,
  number = 0,
): Promise<{ readonly sent: readonly string[]; readonly received: readonly string[] }> {
  const [fromClient, fromServer, atServer, atClient] = await Promise.all([
    send(client, length, 2 * number + 1),
    send(server, length, 2 * number + 2),
    receive(server),
    receive(client),
  ]);
  return { sent: [fromClient, fromServer], received: [atServer, atClient] };
}
