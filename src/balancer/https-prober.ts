import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../time/clock.js';
import { plus } from '../time/instant.js';
import type { CheckFailure, CheckResult } from './health.js';
import type { Backend } from './pool.js';
import { connectionFailure, type Prober } from './prober.js';
import type { Trust } from './trust.js';

/** Beyond this much of an answer's body the status alone counts, and the connection is cut. A verbose /readyz has some 3 KiB. */
const bodyLimit = 64 * 1024;
const detailLimit = 300;

export interface HttpsCheck {
  readonly path: string;
  /** What the certificate must carry, and what is asked for in SNI and Host; undefined: the backend's address. */
  readonly serverName: string | undefined;
  /** Statuses that a living server answers with; 200 always is one. */
  readonly aliveStatuses: readonly number[];
  /** `insecure`: any certificate will do. */
  readonly trust: Trust | 'insecure';
  /** What is sent on each connection before TLS. */
  readonly introduction?: Uint8Array | undefined;
}

/**
 * A check that GET `path` over TLS is answered with a status of a living server, wholly, in time. Each check has a connection of
 * its own, with a whole handshake: one that is kept open, or a resumed session, would not show that the server takes new ones.
 */
export function createHttpsProber(check: HttpsCheck, clock: Clock): Prober {
  return (backend, timeout, signal) =>
    new Promise((resolve) => {
      let attempt: Attempt | undefined;
      const deadline = clock.at(plus(clock.now(), timeout), () => {
        settle(failed('timeout', `waited ${timeout} ms for ${attempt?.waitsFor() ?? 'the CA'}`));
      });
      const abort = () => settle(failed('error', 'given up'));
      let settled = false;
      function settle(result: CheckResult): void {
        if (settled) return;
        settled = true;
        deadline[Symbol.dispose]();
        signal.removeEventListener('abort', abort);
        attempt?.close();
        resolve(result);
      }
      async function begin(): Promise<void> {
        const trusted = check.trust === 'insecure' ? undefined : await check.trust();
        if (settled) return;
        if (trusted?.ok === false) return settle(failed('no-ca', trusted.detail));
        attempt = ask(backend, check, trusted === undefined ? {} : { secureContext: trusted.context }, settle);
      }
      signal.addEventListener('abort', abort);
      void begin();
    });
}

interface Attempt {
  waitsFor(): string;
  /** Leaves nothing of the connection. */
  close(): void;
}

/** Connects and asks once. `settle` is called with every result there could be; the first one counts. */
function ask(
  backend: Backend,
  { path, serverName, aliveStatuses, trust, introduction }: HttpsCheck,
  secure: ConnectionOptions,
  settle: (result: CheckResult) => void,
): Attempt {
  const name = serverName ?? backend.ip;
  let waitsFor = 'a connection';
  let complete = false;
  const connection = connect({ host: backend.ip, port: backend.port });
  // Written before TLS has the connection, it goes out before anything of TLS.
  if (introduction !== undefined) connection.write(introduction);
  const socket = tlsConnect({
    ...secure,
    socket: connection,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: trust !== 'insecure',
    // SNI has names, never addresses (RFC 6066 section 3).
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
  });
  const broken = (error: NodeJS.ErrnoException) => settle(failed(failureOf(error, socket), error.message));
  connection.on('error', broken);
  connection.on('connect', () => {
    waitsFor = 'TLS';
  });
  socket.on('secureConnect', () => {
    waitsFor = 'an HTTP answer';
  });
  socket.on('error', broken);
  const request = httpRequest({
    createConnection: () => socket,
    host: name,
    port: backend.port,
    path,
    headers: { 'User-Agent': 'vipd', Accept: '*/*', Connection: 'close' },
  });
  request.on('error', broken);
  request.on('response', (response: IncomingMessage) => {
    waitsFor = 'the end of the answer';
    const status = response.statusCode ?? 0;
    const isAlive = status === 200 || aliveStatuses.includes(status);
    const verdict: CheckResult = isAlive ? { ok: true } : failed(`status-${status}`, `GET ${path}: ${status}`);
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bodyLimit) settle(verdict);
    });
    response.on('end', () => {
      complete = true;
      settle(verdict);
    });
    response.on('error', broken);
  });
  request.end();
  return {
    waitsFor: () => waitsFor,
    close() {
      // After a whole answer the HTTP client says goodbye to TLS and TCP by itself.
      if (!complete) socket.destroy();
    },
  };
}

function failureOf(error: NodeJS.ErrnoException, socket: TLSSocket): CheckFailure {
  const { code = '' } = error;
  switch (code) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    // Another CA of the same name, as every cluster's is called `kubernetes`.
    case 'CERT_SIGNATURE_FAILURE':
      return 'certificate-unknown-ca';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'certificate-wrong-name';
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'certificate-expired';
  }
  if (socket.authorizationError) return 'certificate-invalid';
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return 'tls';
  if (code.startsWith('HPE_')) return 'http';
  return connectionFailure(code);
}

/** @param detail may come from the server: it is cut and made one line of printable text */
function failed(because: CheckFailure, detail: string): CheckResult {
  const line = detail.slice(0, 4 * detailLimit).replace(/[\p{Cc}\s]+/gu, ' ');
  return { ok: false, because, detail: line.trim().slice(0, detailLimit) };
}
