import type { Agent } from 'node:https';
import type { Resolver } from '../kernel/ports.js';
import type { Clock } from '../time/clock.js';
import { between, type Instant, type Millis, millis, plus } from '../time/instant.js';
import type { CredentialSource } from './credentials.js';
import { type ExchangeEnd, type ExchangeStream, exchange } from './exchange.js';
import { asObject, type JsonObject, parseObject } from './json.js';
import { createLineSplitter } from './lines.js';
import { type Refused, refusalOfStatus, refused } from './refusal.js';
import { createSessions, type Lane, type Route, type Session } from './session.js';

/** The longest answer and the longest line of a watch that are read. etcd takes no object over 1.5 MiB. */
const answerLimit = 8 * 1024 * 1024;

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
  /** A call on the side: whatever comes of it, the next ones go the way they would have gone without it. */
  readonly aside?: boolean;
}

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
  /** Who knows the addresses of names. One of its own: it answers one look-up after the other. */
  readonly resolver: Resolver;
  /** Another server answers than before, or to other credentials. */
  readonly onRoute?: (server: string, origin: string) => void;
}

const timeIsOver: ExchangeEnd = {
  ...refused('timeout', 'the time of this call was over before a server could be asked'),
  stale: false,
};

/**
 * A client with the credentials of a kubeconfig or a service account (`loadCredentials`). They are read at the first call, every
 * minute on the side, and again when the server does not accept them or cannot be reached: a call waits for that with half of the
 * time it has left at most, and if they have changed by then, it is made once more. Where there are several, a call that one server
 * cannot take goes to the next, and one that is not allowed is made in the next name. Disposing it closes every connection.
 */
export function createKubernetesClient(options: KubernetesClientOptions): KubernetesClient {
  const { clock, onRoute = () => {} } = options;
  let told: Route | undefined;
  const sessions = createSessions(options, options.resolver, clock);
  let disposed = false;

  /** One exchange by the route, repeated once if another connection could change its end. */
  async function exchangeBy(
    route: Route,
    call: Omit<ApiCall, 'lane'>,
    lane: Lane,
    until: Instant,
    stream?: ExchangeStream,
  ): Promise<ExchangeEnd> {
    const { credentials, agents } = route;
    for (let attempt = 1; ; attempt++) {
      const timeout = between(clock.now(), until);
      if (timeout <= 0) return timeIsOver;
      const end = await exchange({
        clock,
        agent: agents[lane],
        url: urlOf(credentials.server, call),
        method: call.method,
        headers: { ...credentials.headers, ...contentHeaders(call) },
        body: call.body === undefined ? undefined : JSON.stringify(call.body),
        timeout,
        signal: call.signal,
        limit: answerLimit,
        ...(stream === undefined ? {} : { stream }),
      });
      if (!end.ok && end.refusal === 'timeout') closeIdle(agents[lane]);
      if (end.ok || !end.stale || attempt > 1 || disposed || call.signal?.aborted) return end;
    }
  }

  /** The call by each route that may do, the last good one first; what the first of them says counts when none does. */
  async function tryRoutes(
    { routes, at }: Session,
    call: Omit<ApiCall, 'lane'>,
    lane: Lane,
    until: Instant,
    stream?: ExchangeStream,
  ): Promise<ExchangeEnd> {
    let first: ExchangeEnd | undefined;
    const begin = (route: Route | undefined) => (call.aside === true ? undefined : startWith(routes, route));
    const refusing = new Set<string>();
    const inOrder = [...routes.slice(at), ...routes.slice(0, at)];
    for (const [i, route] of inOrder.entries()) {
      // Who is not allowed at one server is not allowed at another.
      if (refusing.has(route.credentials.origin)) continue;
      if (between(clock.now(), until) <= 0) return first ?? timeIsOver;
      const end = await sessions.by(route, () => exchangeBy(route, call, lane, until, stream));
      first ??= end;
      if (disposed || call.signal?.aborted) return end;
      if (!end.ok) {
        // Whoever hangs has had the time of this call; the next one begins elsewhere.
        if (end.refusal === 'timeout') begin(inOrder[(i + 1) % inOrder.length]);
        if (end.refusal !== 'unreachable') return end;
      } else if (end.status === 401 || end.status === 403) {
        refusing.add(route.credentials.origin);
      } else {
        begin(route);
        if (call.aside === true) return end;
        if (told !== route) onRoute(route.credentials.server.host, route.credentials.origin);
        told = route;
        return end;
      }
    }
    return first ?? { ...refused('unreachable', 'there is no server to ask'), stale: false };
  }

  function startWith(routes: readonly Route[], route: Route | undefined): void {
    const session = sessions.latest;
    if (session?.routes === routes && route !== undefined) session.at = routes.indexOf(route);
  }

  async function perform(call: Omit<ApiCall, 'lane'>, lane: Lane, stream?: ExchangeStream): Promise<ExchangeEnd> {
    const until = plus(clock.now(), call.timeout);
    const used = await sessions.current(until);
    if ('ok' in used) return { ...used, stale: false };
    const end = await tryRoutes(used, call, lane, until, stream);
    if (disposed || call.signal?.aborted || call.aside === true) return end;
    if (end.ok ? end.status !== 401 : end.refusal !== 'unreachable') return end;
    const left = between(clock.now(), until);
    if (left <= 0) return end;
    await sessions.renew(plus(clock.now(), millis(left / 2)));
    const session = sessions.latest;
    const isSame = session?.routes.every((route) => used.routes.includes(route)) ?? true;
    return session === undefined || isSame ? end : tryRoutes(session, call, lane, until, stream);
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
      sessions[Symbol.dispose]();
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
