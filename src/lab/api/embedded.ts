import { randomBytes } from 'node:crypto';
import type { Clock } from '../../time/clock.js';
import { type Millis, millis } from '../../time/instant.js';
import { createAuthority } from '../certificates.js';
import { type ApiFaults, createFaultGate } from './faults.js';
import { kubeconfigText } from './kubeconfig.js';
import { type ListenOptions, listen } from './listener.js';
import { createApiHandler } from './server.js';
import { createStore, type Store } from './store.js';

/** A Kubernetes API that can be reached, whichever it is. */
export interface ApiAccess {
  /** `https://host:port` */
  readonly url: string;
  readonly port: number;
  readonly caPem: string;
  /** May do everything. */
  readonly token: string;
  /** The three above as a kubeconfig file. */
  readonly kubeconfig: string;
}

export interface EmbeddedApi extends ApiAccess, AsyncDisposable {
  readonly store: Store;
  readonly faults: ApiFaults;
  /** The tokens that are accepted: take one out and it is refused, put it back and it is good again. */
  readonly tokens: Set<string>;
}

export interface EmbeddedApiOptions {
  readonly clock: Clock;
  /** Default 127.0.0.1, also what the certificate is for. */
  readonly host?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Default: every 10 s. */
  readonly bookmarkInterval?: Millis;
}

/** Starts a small Kubernetes API (Leases, Nodes, Events, watches) in this process, over TLS with its own certificate authority. */
export async function startEmbeddedApi(options: EmbeddedApiOptions): Promise<EmbeddedApi> {
  const { clock, host = '127.0.0.1', port = 0 } = options;
  const authority = await createAuthority('vipd embedded API', clock.wall());
  const certificate = await authority.issue({ commonName: host, ips: [host], dnsNames: ['localhost', 'kubernetes'] });
  const token = randomBytes(16).toString('hex');
  const api = await runApiStore({ ...options, listen: { host, port, certificate }, tokens: [token] });
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${api.port}`;
  const { caPem } = authority;
  return { ...api, url, caPem, token, kubeconfig: kubeconfigText({ server: url, caPem, token }) };
}

export interface ApiStoreOptions {
  readonly clock: Clock;
  readonly listen: ListenOptions;
  readonly tokens: readonly string[];
  readonly bookmarkInterval?: Millis;
}

export interface ApiStore extends Pick<EmbeddedApi, 'port' | 'store' | 'faults' | 'tokens'>, AsyncDisposable {}

/** Serves one store; with plain HTTP it is what fronts stand before. */
export async function runApiStore(options: ApiStoreOptions): Promise<ApiStore> {
  const { clock, bookmarkInterval = millis(10_000) } = options;
  const store = createStore(() => clock.wall());
  const gate = createFaultGate();
  const tokens = new Set(options.tokens);
  const handler = createApiHandler({ store, clock, gate, tokens, bookmarkInterval });
  const listener = await listen(options.listen, handler);
  return {
    port: listener.port,
    store,
    faults: gate.faults,
    tokens,
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}
