import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Control } from './control.js';
import { answer } from './routes.js';

export interface AdminServerOptions {
  readonly path: string;
  readonly control: Control;
}

/**
 * Serves operators on this host over a Unix socket (mode 0660; its directory is made if need be): HTTP, JSON.
 * The socket of a daemon that died is replaced. Throws an Error with one sentence when another vipd answers there, or the path
 * cannot be used.
 */
export async function startAdminServer({ path, control }: AdminServerOptions): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${settingNames}: the directory of ${path} cannot be made (${error.code}); choose another`, {
      cause: error,
    });
  });
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => void answer(request, response, control),
  );
  // What takes longest is a reload, which may have to wait for the kernel.
  server.setTimeout(60_000);
  await listen(server, path);
  await chmod(path, 0o660);
  server.on('error', () => {});
  return {
    async [Symbol.asyncDispose]() {
      // Node removes the socket's file as well.
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const settingNames = 'admin.socket (--admin-socket, VIPD_ADMIN_SOCKET)';

async function listen(server: Server, path: string): Promise<void> {
  try {
    await bind(server, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE')
      throw new Error(`${settingNames}: cannot listen on ${path} (${code}); choose another path`, { cause: error });
    // Connecting to a file that is no socket is refused as well: such a file is somebody's, and stays.
    if (!(await lstat(path)).isSocket())
      throw new Error(`${settingNames}: ${path} exists and is not a socket; choose another path`);
    if (await isAnswered(path)) {
      throw new Error(`another vipd runs here: it answers on ${path}; stop it first`);
    }
    await unlink(path);
    await bind(server, path);
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
