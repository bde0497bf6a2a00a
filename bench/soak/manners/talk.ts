import { type Cipher, createCipheriv } from 'node:crypto';
import type { Socket } from 'node:net';

/** What one side says: so many bytes that follow from the key alone, after a line that names both and what the other is to do. */
export interface Saying {
  readonly kind: string;
  readonly key: number;
  readonly length: number;
}

export interface Heard extends Saying {
  /** Bytes, without the line. */
  readonly got: number;
  /** Every one of them is the one that was said. */
  readonly right: boolean;
}

const none: Heard = { kind: '', key: 0, length: 0, got: 0, right: true };
const piece = 64 * 1024;

function bytesOf(key: number): Cipher {
  const seed = Buffer.alloc(16);
  seed.writeUInt32BE(key);
  return createCipheriv('aes-128-ctr', seed, Buffer.alloc(16));
}

/** Says it as fast as it is taken; resolves when the kernel has all of it, or the connection is over. */
export async function say(socket: Socket, { kind, key, length }: Saying): Promise<void> {
  const bytes = bytesOf(key);
  socket.write(`${kind} ${key} ${length}\n`);
  for (let left = length; left > 0 && !socket.destroyed; left -= piece) {
    const next = bytes.update(Buffer.alloc(Math.min(piece, left)));
    if (socket.write(next)) continue;
    await room(socket);
    await turn();
  }
}

/**
 * Lets the loop turn: where a peer takes everything at once, the kernel always has room, and neither promises nor `drain` would ever let this
 * program hear anything else.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when more can be written, or nothing ever again. */
function room(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** Listens, checking each byte as it comes. */
export interface Ear {
  hear(chunk: Buffer): void;
  heard(): Heard;
}

export function createEar(): Ear {
  let heard = none;
  let head = '';
  let bytes: Cipher | undefined;

  function body(chunk: Buffer): void {
    if (bytes === undefined || chunk.length === 0) return;
    const right = heard.right && bytes.update(Buffer.alloc(chunk.length)).equals(chunk);
    heard = { ...heard, got: heard.got + chunk.length, right };
  }

  return {
    hear(chunk) {
      if (bytes !== undefined) return body(chunk);
      const end = chunk.indexOf('\n');
      head += chunk.toString('latin1', 0, end < 0 ? chunk.length : end);
      if (end < 0) return;
      const [kind = '', key, length] = head.split(' ');
      heard = { ...none, kind, key: Number(key), length: Number(length) };
      bytes = bytesOf(heard.key);
      body(chunk.subarray(end + 1));
    },
    heard: () => heard,
  };
}

/** Everything, and nothing else. */
export function isWhole({ kind, got, length, right }: Heard): boolean {
  return kind !== '' && right && got === length;
}

/** Resolves with `whole` when all is there, else with how the connection ended before. The socket must be flowing by nobody else. */
export function listen(
  socket: Socket,
  until: 'whole' | 'end',
): Promise<{ readonly heard: Heard; readonly how: string }> {
  const ear = createEar();
  return new Promise((resolve) => {
    const done = (how: string) => resolve({ heard: ear.heard(), how });
    socket.on('data', (chunk) => {
      ear.hear(chunk);
      if (until === 'whole' && isWhole(ear.heard())) done('whole');
    });
    socket.once('end', () => done('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.once('close', () => done('close'));
  });
}

/** How it ends, whatever is said. */
export function endOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('close'));
  });
}
