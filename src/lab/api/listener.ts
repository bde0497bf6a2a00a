import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import type { Certificate } from '../certificates.js';

export interface ListenOptions {
  /** Undefined: every address, of both families where the machine has both, as kube-apiserver does. */
  readonly host: string | undefined;
  /** 0 for any that is free. */
  readonly port: number;
  /** Undefined: plain HTTP. */
  readonly certificate: Certificate | undefined;
}

export interface Listener extends AsyncDisposable {
  readonly port: number;
}

/** Serves HTTP until disposed, which closes every connection. Rejects when the address cannot be listened on. */
export async function listen(options: ListenOptions, onRequest: RequestListener): Promise<Listener> {
  const { certificate } = options;
  const server =
    certificate === undefined
      ? createHttpServer(onRequest)
      : createHttpsServer({ cert: certificate.certPem, key: certificate.keyPem }, onRequest);
  // A watch is silent for longer than Node lets a request take.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
