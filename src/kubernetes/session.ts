import type { Agent } from 'node:https';
import type { Resolver } from '../kernel/ports.js';
import type { Clock } from '../time/clock.js';
import { type Instant, millis, plus } from '../time/instant.js';
import { type CredentialSource, type Credentials, loadCredentials } from './credentials.js';
import { createHostNames } from './host-names.js';
import { inTime } from './in-time.js';
import { type Refused, refused } from './refusal.js';

/** Rotated tokens and certificates are noticed after this time at the latest (client-go: a minute for tokens). */
const credentialAge = millis(60_000);
/** After credentials could not be read, while the old ones serve on. */
const retryAge = millis(5_000);

export type Lane = 'foreground' | 'background';

export interface Route {
  readonly credentials: Credentials;
  readonly agents: Readonly<Record<Lane, Agent>>;
  /** How many calls are under way. */
  busy: number;
}

/** The routes as they were last read. */
export interface Session {
  readonly routes: readonly Route[];
  /** The one that calls begin with: the last that worked, or the first. */
  at: number;
}

/** Keeps the routes to the API fresh. Disposing it closes every connection. */
export interface Sessions extends Disposable {
  readonly latest: Session | undefined;
  /**
   * The routes for a call. Only as long as there are none does a call wait for them, until `until`; old ones are read again on the
   * side, since what is read can hang: a resolver, a program that the kubeconfig names.
   */
  current(until: Instant): Promise<Session | Refused>;
  /** Reads the routes again, and waits for that until `until`. */
  renew(until: Instant): Promise<void>;
  /** Every call by a route is made in here: a route that is no longer used closes after its last one. */
  by<T>(route: Route, call: () => Promise<T>): Promise<T>;
}

export function createSessions(source: CredentialSource, resolver: Resolver, clock: Clock): Sessions {
  const names = createHostNames(resolver, clock);
  const opened = new Set<Route>();
  let session: Session | undefined;
  let nextAt: Instant = clock.now();
  let loading: Promise<Refused | undefined> | undefined;
  let disposed = false;

  async function load(): Promise<Refused | undefined> {
    const result = await loadCredentials(source, names, clock);
    nextAt = plus(clock.now(), result.ok ? credentialAge : retryAge);
    if (!result.ok) return refused('unauthorized', `no credentials: ${result.detail}`);
    if (disposed) return undefined;
    const old = session?.routes ?? [];
    const routes = result.routes.map(
      (credentials) =>
        old.find((route) => route.credentials.fingerprint === credentials.fingerprint) ?? open(credentials),
    );
    session = { routes, at: 0 };
    for (const route of old) if (!routes.includes(route)) retire(route);
    return undefined;
  }

  function open(credentials: Credentials): Route {
    const agents = { foreground: credentials.createAgent(), background: credentials.createAgent() };
    const route = { credentials, agents, busy: 0 };
    opened.add(route);
    return route;
  }

  function close(route: Route): void {
    opened.delete(route);
    route.agents.foreground.destroy();
    route.agents.background.destroy();
  }

  /** A watch is taken up by the new route; a Lease renewal that is under way has its answer first. */
  function retire(route: Route): void {
    route.agents.background.destroy();
    if (route.busy === 0) close(route);
  }

  function reload(): Promise<Refused | undefined> {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  return {
    get latest() {
      return session;
    },
    async current(until) {
      if (session !== undefined) {
        if (clock.now() > nextAt) void reload();
        return session;
      }
      const failure = disposed ? undefined : await inTime(clock, until, reload());
      const late = refused('timeout', 'no credentials in time');
      return session ?? (failure === 'late' ? late : failure) ?? refused('unreachable', 'the client is closed');
    },
    async renew(until) {
      await inTime(clock, until, reload());
    },
    async by(route, call) {
      route.busy++;
      try {
        return await call();
      } finally {
        route.busy--;
        if (route.busy === 0 && session?.routes.includes(route) !== true) close(route);
      }
    },
    [Symbol.dispose]() {
      disposed = true;
      for (const route of [...opened]) close(route);
      session = undefined;
    },
  };
}
