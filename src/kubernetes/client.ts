import type { Agent } from 'node:https';
import type { Clock } from '../time/clock.js';
import { between, type Instant, type Millis, millis, plus } from '../time/instant.js';
import { type CredentialSource, type Credentials, loadCredentials } from './credentials.js';
import { type ExchangeEnd, type ExchangeStream, exchange } from './exchange.js';
import { asObject, type JsonObject, parseObject } from './json.js';
import { createLineSplitter } from './lines.js';
import { type Refused, refusalOfStatus, refused } from './refusal.js';

/** The longest answer and the longest line of a watch that are read. etcd takes no object over 1.5 MiB. */
const answerLimit = 8 * 1024 * 1024;
/** Rotated tokens and certificates are noticed after this time at the latest (client-go: a minute for tokens). */
const credentialAge = millis(60_000);

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  /** For the whole call. At its end the connection is closed; a write may still take effect. */
  readonly timeout: Millis;
  readonly signal?: AbortSignal;
  /** Connections of the two lanes are apart: a slow list or a watch never stands before a Lease renewal. */
  readonly lane?: Lane;
}

export type Lane = 'foreground' | 'background';

export type ApiAnswer = { readonly ok: true; readonly body: JsonObject } | Refused;

export interface StreamCall {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Until the answer begins. */
  readonly timeout: Millis;
  /** How long it may last after that. */
  readonly lifetime: Millis;
  readonly signal: AbortSignal;
  /** One JSON object a line; what it returns, if anything, ends the stream. */
  onObject(object: JsonObject): Refused | undefined;
}

/** How a stream ended: by the server and in good order, or not. */
export type StreamEnd = { readonly ok: true } | Refused;

/** JSON over HTTPS to one Kubernetes API server. Nothing here throws for what the API or the network does. */
export interface KubernetesClient extends Disposable {
  request(call: ApiCall): Promise<ApiAnswer>;
  /** Reads a watch, always in the background lane, until it ends. */
  stream(call: StreamCall): Promise<StreamEnd>;
}

export interface KubernetesClientOptions extends CredentialSource {
  readonly clock: Clock;
}

interface Session {
  readonly credentials: Credentials;
  readonly agents: Readonly<Record<Lane, Agent>>;
}

/**
 * A client with the credentials of a kubeconfig or a service account. They are read at the first call, every minute, and again when
 * the server does not accept them or cannot be reached; if they have changed by then, the call is made once more.
 * Disposing it closes every connection.
 */
export function createKubernetesClient(options: KubernetesClientOptions): KubernetesClient {
  const { clock } = options;
  let session: Session | undefined;
  let loadedAt: Instant | undefined;
  let loading: Promise<Refused | undefined> | undefined;
  let disposed = false;

  async function load(): Promise<Refused | undefined> {
    const result = await loadCredentials(options);
    if (!result.ok) return refused('unauthorized', `no credentials: ${result.detail}`);
    loadedAt = clock.now();
    if (disposed || result.credentials.fingerprint === session?.credentials.fingerprint) return undefined;
    closeAgents();
    const { credentials } = result;
    session = {
      credentials,
      agents: { foreground: credentials.createAgent(), background: credentials.createAgent() },
    };
    return undefined;
  }

  function reload(): Promise<Refused | undefined> {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  async function current(until: Instant): Promise<Session | Refused> {
    const old = loadedAt === undefined || between(loadedAt, clock.now()) > credentialAge;
    const failure = old ? await reloadBefore(until) : undefined;
    return session ?? failure ?? refused('unreachable', 'the client is closed');
  }

  /** A kubeconfig can name a program to run for credentials, which can take for ever. */
  async function reloadBefore(until: Instant): Promise<Refused | undefined> {
    let timer: Disposable | undefined;
    const tooLate = new Promise<Refused>((resolve) => {
      timer = clock.at(until, () => resolve(refused('timeout', 'no credentials in time')));
    });
    const failure = await Promise.race([reload(), tooLate]);
    timer?.[Symbol.dispose]();
    return failure;
  }

  function closeAgents(): void {
    session?.agents.foreground.destroy();
    session?.agents.background.destroy();
  }

  /** One exchange, repeated once if other credentials or another connection could change its end. */
  async function perform(call: Omit<ApiCall, 'lane'>, lane: Lane, stream?: ExchangeStream): Promise<ExchangeEnd> {
    const until = plus(clock.now(), call.timeout);
    for (let attempt = 1; ; attempt++) {
      const used = await current(until);
      if ('ok' in used) return { ...used, stale: false };
      const end = await exchange({
        clock,
        agent: used.agents[lane],
        url: urlOf(used.credentials.server, call),
        method: call.method,
        headers: { ...used.credentials.headers, ...contentHeaders(call) },
        body: call.body === undefined ? undefined : JSON.stringify(call.body),
        timeout: between(clock.now(), until),
        signal: call.signal,
        limit: answerLimit,
        ...(stream === undefined ? {} : { stream }),
      });
      if (disposed || attempt > 1 || call.signal?.aborted) return end;
      if (!end.ok && end.refusal === 'timeout') closeIdle(used.agents[lane]);
      if (!end.ok && end.stale) continue;
      if (end.ok ? end.status !== 401 : end.refusal !== 'unreachable') return end;
      await reloadBefore(until);
      if (session === undefined || session.credentials.fingerprint === used.credentials.fingerprint) return end;
    }
  }

  return {
    async request(call) {
      const end = await perform(call, call.lane ?? 'foreground');
      if (!end.ok) return refused(end.refusal, end.detail);
      if (end.status < 200 || end.status > 299) return statusRefusal(end.status, end.body);
      const body = parseObject(end.body);
      return body === undefined ? refused('invalid', 'the answer is not a JSON object') : { ok: true, body };
    },

    async stream(call) {
      const splitter = createLineSplitter(answerLimit);
      const onChunk = (chunk: Buffer) => {
        const lines = splitter.push(chunk);
        if (lines === 'too-long') return refused('invalid', `a line over ${answerLimit} bytes`);
        for (const line of lines) {
          if (call.signal.aborted) return undefined;
          const object = parseObject(line);
          const end = object === undefined ? refused('invalid', 'a line is not a JSON object') : call.onObject(object);
          if (end !== undefined) return end;
        }
        return undefined;
      };
      const end = await perform({ ...call, method: 'GET' }, 'background', { lifetime: call.lifetime, onChunk });
      if (!end.ok) return refused(end.refusal, end.detail);
      return end.status === 200 ? { ok: true } : statusRefusal(end.status, end.body);
    },

    [Symbol.dispose]() {
      disposed = true;
      closeAgents();
      session = undefined;
    },
  };
}

function urlOf(server: URL, call: { readonly path: string; readonly query?: Readonly<Record<string, string>> }): URL {
  // A server behind a path (`https://host/k8s/clusters/c-1`) keeps it.
  const url = new URL(`${server.pathname.replace(/\/$/, '')}${call.path}`, server);
  for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value);
  return url;
}

function contentHeaders(call: { readonly method: string; readonly body?: JsonObject }): Record<string, string> {
  const headers: Record<string, string> = { Accept: 'application/json', 'User-Agent': 'vipd' };
  if (call.body !== undefined) {
    headers['Content-Type'] = call.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  }
  return headers;
}

function statusRefusal(status: number, body: string): Refused {
  const message = asObject(parseObject(body))?.message;
  return refused(refusalOfStatus(status), typeof message === 'string' && message !== '' ? message : `HTTP ${status}`);
}

/** When one connection is dead, those that idle beside it probably are too: the next call opens a new one. */
function closeIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
