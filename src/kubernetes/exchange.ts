import type { ClientRequest, IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import { type Refused, refused } from './refusal.js';

/** How long a connection is silent before TCP asks whether the other side lives; ten unanswered probes a second apart end it. */
const keepAliveDelay = 5_000;

export interface ExchangeOptions {
  readonly clock: Clock;
  readonly agent: Agent;
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Until the whole answer is here; of a stream, until it begins. */
  readonly timeout: Millis;
  readonly signal: AbortSignal | undefined;
  /** The longest answer taken, in bytes; does not hold for a stream. */
  readonly limit: number;
  /** Takes the body of a 200 piece by piece instead of collecting it. */
  readonly stream?: ExchangeStream;
}

export interface ExchangeStream {
  /** How long the stream may last. */
  readonly lifetime: Millis;
  /** What it returns, if anything, ends the exchange. */
  onChunk(chunk: Buffer): Refused | undefined;
}

export type ExchangeEnd =
  | { readonly ok: true; readonly status: number; readonly body: string }
  /** `stale`: the server had closed this idle connection before it saw the request; another connection may do. */
  | (Refused & { readonly stale: boolean });

/**
 * One HTTP request and its answer. When it does not end well its connection is closed, and nothing is thrown.
 * The timeout is the whole exchange's (name look-up, connecting, TLS), not a pause between bytes.
 */
export function exchange(options: ExchangeOptions): Promise<ExchangeEnd> {
  const { clock, signal, stream } = options;
  const request = start(options);
  if (request instanceof Error) {
    return Promise.resolve({ ...refused('invalid', `cannot be sent: ${request.message}`), stale: false });
  }
  return new Promise((resolve) => {
    let settled = false;
    let answered = false;
    let deadline: Disposable | undefined;
    const settle = (end: ExchangeEnd) => {
      if (settled) return;
      settled = true;
      deadline?.[Symbol.dispose]();
      signal?.removeEventListener('abort', abort);
      resolve(end);
      if (!end.ok) request.destroy();
    };
    const abort = () => settle({ ...refused('unreachable', 'given up'), stale: false });
    const expireIn = (time: Millis, detail: string) => {
      deadline?.[Symbol.dispose]();
      deadline = clock.at(plus(clock.now(), time), () => settle({ ...refused('timeout', detail), stale: false }));
    };
    const broken = (error: NodeJS.ErrnoException) => {
      const closed = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      const stale = closed && !answered && request.reusedSocket === true;
      settle({ ...refused('unreachable', `${options.url.host}: ${describe(error)}`), stale });
    };
    const receive = (response: IncomingMessage) => {
      answered = true;
      const status = response.statusCode ?? 0;
      const streaming = status === 200 ? stream : undefined;
      const chunks: Buffer[] = [];
      let length = 0;
      if (streaming !== undefined) expireIn(streaming.lifetime, 'the stream went silent');
      response.on('data', (chunk: Buffer) => {
        if (settled) return;
        if (streaming !== undefined) {
          const refusal = streaming.onChunk(chunk);
          if (refusal !== undefined) settle({ ...refusal, stale: false });
          return;
        }
        chunks.push(chunk);
        length += chunk.length;
        if (length > options.limit)
          settle({ ...refused('invalid', `an answer over ${options.limit} bytes`), stale: false });
      });
      response.on('end', () => settle({ ok: true, status, body: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', broken);
      response.on('close', () => settle({ ...refused('unreachable', 'the answer broke off'), stale: false }));
    };

    request.on('socket', (socket) => socket.setKeepAlive(true, keepAliveDelay));
    request.on('response', receive);
    request.on('error', broken);
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort);
    expireIn(options.timeout, `no answer from ${options.url.host} in ${options.timeout} ms`);
    request.end(options.body);
  });
}

/** Node throws for what can never be sent: a newline in a header, a space in a path. */
function start({ url, method, agent, body, headers }: ExchangeOptions): ClientRequest | Error {
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  try {
    return httpsRequest(url, { method, agent, headers: { ...headers, ...length } });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Connecting to a name with several addresses fails with one error for each, and no message of its own. */
function describe(error: NodeJS.ErrnoException): string {
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join('; ');
  return error.message || error.code || error.name;
}
