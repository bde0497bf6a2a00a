import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { DaemonStatus } from '../vip/status.js';

export interface AdminServerOptions {
  readonly path: string;
  readonly status: () => DaemonStatus | Promise<DaemonStatus>;
}

/**
 * Serves operators on this host over a Unix socket (mode 0660; its directory is made if need be): GET /v1/status, JSON.
 * The socket of a daemon that died is replaced. Throws an Error with one sentence when another vipd answers there, or the path
 * cannot be used.
 */
export async function startAdminServer({ path, status }: AdminServerOptions): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${settingNames}: the directory of ${path} cannot be made (${error.code}); choose another`, {
      cause: error,
    });
  });
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => void answer(request, response, status),
  );
  server.setTimeout(10_000);
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

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: AdminServerOptions['status'],
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (path !== '/v1/status') {
    send(response, 404, { error: 'not-found', message: 'there is /v1/status' });
  } else if (request.method !== 'GET') {
    response.setHeader('Allow', 'GET');
    send(response, 405, { error: 'method-not-allowed', message: 'only GET' });
  } else {
    send(response, 200, await status());
  }
}

function send(response: ServerResponse, code: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}
