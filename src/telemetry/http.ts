import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ListenAddress } from '../config/settings.js';
import { type Millis, millis } from '../time/instant.js';
import type { DaemonStatus } from '../vip/status.js';
import type { Metrics } from './metrics.js';
import { statusPage } from './status-page.js';

export interface Health {
  readonly ok: boolean;
  /** What is wrong, a sentence each. */
  readonly reasons: readonly string[];
}

export interface WebServerOptions {
  readonly listen: ListenAddress;
  /** The setting that says where to listen, for errors. */
  readonly setting: string;
  readonly pages: Pages;
  /** How long a client may take to send its request, 5 s if not given. */
  readonly patience?: Millis;
}

export interface WebServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves pages, read-only, to whoever asks. Port 0 picks a free one.
 * Throws an Error that names the setting when it cannot listen.
 */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const patience = options.patience ?? millis(5_000);
  const server = createServer(
    {
      // Whoever sends or reads slowly, by accident or not, is cut off before many of them keep the probes out.
      headersTimeout: patience,
      requestTimeout: patience,
      keepAliveTimeout: patience,
      connectionsCheckingInterval: patience / 5,
      maxHeaderSize: 8 << 10,
    },
    (request, response) => {
      answer(request, response, options.pages).catch((error: Error) =>
        send(response, 500, plain, `${error.message}\n`),
      );
    },
  );
  // Probes and a scraper or two; more would only take descriptors from the rest.
  server.maxConnections = 64;
  server.setTimeout(2 * patience);
  const { host, port } = options.listen;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(cannotListen(options, error), { cause: error })),
    );
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve);
  });
  server.on('error', () => {});
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const plain = 'text/plain; charset=utf-8';

async function answer(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  const page = pages.get(request.url?.split('?', 1)[0] ?? '');
  if (page === undefined) return send(response, 404, plain, `not found; there are ${[...pages.keys()].join(', ')}\n`);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return send(response, 405, plain, 'only GET and HEAD\n');
  }
  const { code, contentType, text } = await page();
  send(response, code, contentType, text);
}

interface Page {
  readonly code: number;
  readonly contentType: string;
  readonly text: string;
}

/** What is served, by path. */
export type Pages = ReadonlyMap<string, () => Page | Promise<Page>>;

export interface HealthSource {
  /** The daemon makes progress; if not, whoever supervises it should start it anew. */
  readonly live: () => Health;
  /** The daemon can serve. */
  readonly ready: () => Health;
}

/** /livez and /readyz, and /healthz, which is the former under the name that kube-vip has. */
export function healthPages({ live, ready }: HealthSource): Pages {
  return new Map([
    ['/livez', () => healthPage(live())],
    ['/readyz', () => healthPage(ready())],
    ['/healthz', () => healthPage(live())],
  ]);
}

/** A page for people, /metrics, and those of health. */
export function telemetryPages(
  source: HealthSource & {
    readonly metrics: Pick<Metrics, 'render'>;
    readonly status: () => DaemonStatus | Promise<DaemonStatus>;
  },
): Pages {
  const { metrics, status } = source;
  const contentType = 'text/html; charset=utf-8';
  return new Map<string, () => Page | Promise<Page>>([
    ['/', async () => ({ code: 200, contentType, text: statusPage(await status()) })],
    ['/metrics', async () => ({ code: 200, ...(await metrics.render()) })],
    ...healthPages(source),
  ]);
}

function healthPage({ ok, reasons }: Health): Page {
  return { code: ok ? 200 : 503, contentType: plain, text: ok ? 'ok\n' : `${['not ok', ...reasons].join('\n')}\n` };
}

function send(response: ServerResponse, code: number, contentType: string, text: string): void {
  response.writeHead(code, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(text);
}

function cannotListen({ listen: { host, port }, setting }: WebServerOptions, error: NodeJS.ErrnoException): string {
  const because: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there; free the port, choose another or write off',
    EADDRNOTAVAIL: 'the address is not on this host; write an address of it, or none for all',
    EACCES: 'this user may not; choose a port above 1023',
  };
  const shown = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `${setting}: cannot listen on ${shown}: ${because[error.code ?? ''] ?? error.message}`;
}
