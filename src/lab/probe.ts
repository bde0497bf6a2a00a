import { request } from 'node:https';
import { connect } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { between, type Instant, type Millis, plus } from '../time/instant.js';

/** What to try again and again, each attempt on a connection of its own and independent of the others. */
export interface ProbeOrder {
  readonly ip: Ip;
  readonly port: number;
  /** `connect`: a TCP connection is made. `request`: an HTTPS request is answered, and the certificate says by whom. */
  readonly kind: 'connect' | 'request';
  readonly every: Millis;
  readonly timeout: Millis;
  /** After so many attempts the probe ends by itself. */
  readonly count?: number;
}

export type ProbeOutcome = 'ok' | 'refused' | 'reset' | 'timeout' | 'unreachable' | 'failed';

export interface ProbeResult {
  /** When the attempt began, wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly took: Millis;
  readonly outcome: ProbeOutcome;
  /** The common name in the certificate of whoever answered a request. */
  readonly backend?: string;
}

type Ending = Pick<ProbeResult, 'outcome' | 'backend'>;

/** Carries the order out until its count is reached or the signal aborts it; returns when the last attempt has ended. */
export async function runProbe(
  order: ProbeOrder,
  clock: Clock,
  signal: AbortSignal,
  onResult: (result: ProbeResult) => void,
): Promise<void> {
  const open = new Set<Promise<void>>();
  let next = clock.now();
  for (let n = 0; n < (order.count ?? Number.POSITIVE_INFINITY) && !signal.aborted; n++) {
    const attempt = tryOnce(order, clock).then(onResult);
    open.add(attempt);
    attempt.then(() => open.delete(attempt));
    // An absolute beat: a late wake-up does not slow the probe. Far behind, the missed beats are left out.
    next = plus(next, order.every);
    if (between(next, clock.now()) > 10 * order.every) next = clock.now();
    await new Promise<void>((resolve) => clock.at(next, resolve));
  }
  await Promise.all(open);
}

async function tryOnce(order: ProbeOrder, clock: Clock): Promise<ProbeResult> {
  const at = clock.wall().getTime();
  const started: Instant = clock.now();
  const ending = await (order.kind === 'connect' ? tryConnect(order) : tryRequest(order));
  return { at, took: between(started, clock.now()), ...ending };
}

function tryConnect({ ip, port, timeout }: ProbeOrder): Promise<Ending> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, timeout });
    const end = (ending: Ending) => {
      resolve(ending);
      socket.destroy();
    };
    socket.once('connect', () => end({ outcome: 'ok' }));
    socket.once('timeout', () => end({ outcome: 'timeout' }));
    socket.on('error', (error) => end({ outcome: outcomeOf(error) }));
  });
}

function tryRequest({ ip, port, timeout }: ProbeOrder): Promise<Ending> {
  return new Promise((resolve) => {
    // Whose certificate it is, is the question here; whether it is genuine is vipd's and Kubernetes' concern.
    const options = { host: ip, port, path: '/readyz', timeout, agent: false, rejectUnauthorized: false };
    const sent = request(options, (response) => {
      const { socket } = response;
      const backend = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined;
      resolve({ outcome: 'ok', ...(typeof backend === 'string' ? { backend } : {}) });
      sent.destroy();
    });
    sent.once('timeout', () => {
      resolve({ outcome: 'timeout' });
      sent.destroy();
    });
    sent.on('error', (error) => resolve({ outcome: outcomeOf(error) }));
    sent.end();
  });
}

const outcomes: Readonly<Record<string, ProbeOutcome>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
};

function outcomeOf(error: NodeJS.ErrnoException): ProbeOutcome {
  return outcomes[error.code ?? ''] ?? 'failed';
}
