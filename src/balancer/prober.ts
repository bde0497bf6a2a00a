import { connect } from 'node:net';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import type { CheckFailure, CheckResult } from './health.js';
import type { Backend } from './pool.js';

/** One check of a backend. Never rejects; once the signal aborts nothing is left of it, and its result counts for nothing. */
export type Prober = (backend: Backend, timeout: Millis, signal: AbortSignal) => Promise<CheckResult>;

/**
 * A check that a TCP connection is taken. It is reset at once, so that neither side keeps anything of it (no TIME_WAIT here, no
 * conntrack entry on the way). A Go server logs an unfinished TLS handshake whether it ends with a FIN or a reset; kube-apiserver
 * does so from verbosity 5 only (tlsHandshakeErrorWriter in apiserver/pkg/server/secure_serving.go), so neither is louder.
 * @param introduction what is sent on each connection first
 */
export function createTcpProber(clock: Clock, introduction?: Uint8Array): Prober {
  return (backend, timeout, signal) =>
    new Promise((resolve) => {
      const socket = connect({ host: backend.ip, port: backend.port });
      const abort = () => settle({ ok: false, because: 'error', detail: 'given up' });
      const deadline = clock.at(plus(clock.now(), timeout), () => settle({ ok: false, because: 'timeout' }));
      function settle(result: CheckResult): void {
        deadline[Symbol.dispose]();
        signal.removeEventListener('abort', abort);
        socket.removeAllListeners();
        socket.on('error', () => {});
        if (result.ok) socket.resetAndDestroy();
        else socket.destroy();
        resolve(result);
      }
      socket.on('connect', () => {
        if (introduction === undefined) settle({ ok: true });
        else socket.write(introduction, (error) => error ?? settle({ ok: true }));
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        settle({ ok: false, because: connectionFailure(error.code), detail: error.message });
      });
      signal.addEventListener('abort', abort);
    });
}

/** What became of a TCP connection, by the error's code (`ECONNREFUSED`). */
export function connectionFailure(code: string | undefined): CheckFailure {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'reset';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return 'unreachable';
    default:
      return 'error';
  }
}
