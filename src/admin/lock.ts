import { createServer } from 'node:net';

/**
 * As long as a name can be: Node.js up to 20.18 fills a shorter one up with NULs, later ones do not (libuv 1.48), and the two would be two
 * names (unix(7): every byte of an abstract name counts).
 */
const name = '\0vipd'.padEnd(108, '-');

/**
 * Makes this process the only vipd of its network namespace, until disposed or dead: two would remove each other's addresses as
 * leftovers. An abstract Unix socket (unix(7)) belongs to the namespace and goes with the process. Throws an Error with one sentence.
 */
export function lockHost(): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const message = taken
        ? 'another vipd runs on this host; one daemon serves several VIPs: put them into one file'
        : `cannot make sure that no other vipd runs on this host (${error.code})`;
      reject(new Error(message, { cause: error }));
    });
    server.listen({ path: name }, () => {
      server.unref();
      resolve({ [Symbol.asyncDispose]: () => new Promise((closed) => server.close(() => closed())) });
    });
  });
}
