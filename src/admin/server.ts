import { chmod, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { pid } from 'node:process';
import { besideSocket, isBesideSocket } from '../config/admin-socket.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import type { Control } from './control.js';
import { answer } from './routes.js';

export interface AdminServerOptions {
  readonly path: string;
  readonly control: Control;
  /** Whether another vipd that answers there is to be replaced. */
  readonly replaces?: boolean;
}

export interface AdminServer extends AsyncDisposable {
  /** Answers at the path from now on, in place of whoever did. */
  publish(): Promise<void>;
  /** Takes no more requests; settles when those that it has are answered, or have had their time. Another may have its path. */
  leave(clock: Clock): Promise<void>;
}

/**
 * Will serve operators on this host over a Unix socket (mode 0660; its directory is made if need be): HTTP, JSON; all that can fail is done.
 * The socket of a daemon that died is replaced. Throws an Error with one sentence when another vipd answers there, or the path
 * cannot be used.
 */
export async function prepareAdminServer({ path, control, replaces }: AdminServerOptions): Promise<AdminServer> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${settingNames}: the directory of ${path} cannot be made (${error.code}); choose another`, {
      cause: error,
    });
  });
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      answer(request, response, control).catch(() => response.destroy());
    },
  );
  // What takes longest is an upgrade, which waits for another process and for the API (src/handover).
  server.setTimeout(210_000);
  const own = await listen(server, path, replaces ?? false);
  server.on('error', () => {});
  return {
    // Renamed when it answers: whoever asks meanwhile reaches the one before, or this one. Under a name of its own until then: libuv removes
    // what it bound when it closes, long after the rename.
    publish: () => rename(besideSocket(path, pid), path),
    async leave(clock) {
      const closed = new Promise((resolve) => server.close(resolve));
      // A closed server looks no more for who is slow to ask.
      using _ = clock.at(plus(clock.now(), leaving), () => server.closeAllConnections());
      await closed;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      const found = await lstat(path).catch(() => undefined);
      if (found?.ino === own) await rm(path, { force: true });
    },
  };
}

/** The same, published. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = await prepareAdminServer(options);
  await server.publish();
  return server;
}

/** All but an upgrade is answered within this. */
const leaving = millis(5_000);

const settingNames = 'admin.socket (--admin-socket, VIPD_ADMIN_SOCKET)';

/** Removes the sockets beside it of processes that were killed before they were done with them. */
async function sweep(path: string): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names.filter((file) => isBesideSocket(basename(path), file))) {
    const file = join(dirname(path), name);
    const found = await lstat(file).catch(() => undefined);
    if (found?.isSocket() && !(await isAnswered(file))) await rm(file, { force: true }).catch(() => {});
  }
}

/** Resolves with the inode of the socket. */
async function listen(server: Server, path: string, replaces: boolean): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  // Such a file is somebody's, and stays.
  if (found !== undefined && !found.isSocket())
    throw new Error(`${settingNames}: ${path} exists and is not a socket; choose another path`);
  if (found !== undefined && !replaces && (await isAnswered(path)))
    throw new Error(`another vipd runs here: it answers on ${path}; stop it first`);
  try {
    await sweep(path);
    const beside = besideSocket(path, pid);
    await rm(beside, { force: true });
    await bind(server, beside);
    await chmod(beside, 0o660);
    return (await lstat(beside)).ino;
  } catch (error) {
    server.close();
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${settingNames}: cannot listen on ${path} (${code}); choose another path`, { cause: error });
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether a process has the socket open: then even one that hangs accepts in the kernel. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
