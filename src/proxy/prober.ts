import { connect } from 'node:net';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import type { CheckFailure, CheckResult } from './health.js';
import type { Backend } from './pool.js';

export type Prober = (backend: Backend, timeout: Millis) => Promise<CheckResult>;

/** A check that a TCP connection is taken; it is reset at once, so that the backend keeps nothing of it. Never rejects. */
export function createTcpProber(clock: Clock): Prober {
  return (backend, timeout) =>
    new Promise((resolve) => {
      const socket = connect({ host: backend.ip, port: backend.port });
      const deadline = clock.at(plus(clock.now(), timeout), () => settle({ ok: false, because: 'timeout' }));
      function settle(result: CheckResult): void {
        deadline[Symbol.dispose]();
        socket.removeAllListeners();
        socket.on('error', () => {});
        if (result.ok) socket.resetAndDestroy();
        else socket.destroy();
        resolve(result);
      }
      socket.on('connect', () => settle({ ok: true }));
      socket.on('error', (error: NodeJS.ErrnoException) => settle({ ok: false, because: failureOf(error.code) }));
    });
}

function failureOf(code: string | undefined): CheckFailure {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ECONNRESET':
      return 'reset';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'unreachable';
    default:
      return 'error';
  }
}
