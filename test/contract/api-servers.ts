import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResolver } from '../../src/kernel/linux/resolver.js';
import { createKubernetesClient, type KubernetesClient } from '../../src/kubernetes/client.js';
import { type ApiAccess, startEmbeddedApi } from '../../src/lab/api/embedded.js';
import { findRealServer, startRealCluster } from '../../src/lab/api/real-server.js';
import { createSystemClock } from '../../src/time/system-clock.js';
import { type FaultProxy, startFaultProxy } from '../fakes/fault-proxy.js';

export const clock = createSystemClock(() => performance.now());

/** A Kubernetes API that suites run against. */
export interface ApiUnderTest extends AsyncDisposable {
  readonly access: ApiAccess;
  /** Makes every version read until now too old to watch from. */
  forgetHistory(): Promise<void>;
}

export interface ApiServerKind {
  readonly name: 'embedded' | 'real';
  /** Why it cannot be started here. */
  readonly missing: string | undefined;
  start(): Promise<ApiUnderTest>;
}

export const embeddedServer: ApiServerKind = {
  name: 'embedded',
  missing: undefined,
  async start() {
    const api = await startEmbeddedApi({ clock });
    return {
      access: api,
      forgetHistory: async () => api.store.forgetHistory(),
      [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
    };
  },
};

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS);

/** etcd and kube-apiserver. Where they are not installed, tests are skipped (scripts/test.mjs counts them). */
export const realServer: ApiServerKind = {
  name: 'real',
  missing: programs === undefined ? 'no kube-apiserver here: run scripts/install-apiserver.sh' : undefined,
  async start() {
    if (programs === undefined) throw new Error(realServer.missing);
    const folder = await mkdtemp(join(tmpdir(), 'vipd-api-'));
    const cluster = await startRealCluster({ clock, programs, folder });
    // Served from etcd, Leases can only be watched as far back as etcd remembers, which forgetHistory cuts.
    const access = await cluster.addServer({
      name: 'cp1',
      flags: ['--watch-cache-sizes=leases.coordination.k8s.io#0'],
    });
    return {
      access,
      async forgetHistory() {
        let revision = '';
        // etcd still serves a watch that begins right after the version at which it was compacted.
        for (let i = 0; i < 2; i++) {
          const put = await post(`${cluster.etcd}/v3/kv/put`, { key: btoa('/test'), value: btoa(String(i)) });
          revision = (put as { header: { revision: string } }).header.revision;
        }
        await post(`${cluster.etcd}/v3/kv/compaction`, { revision, physical: true });
      },
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

async function post(url: string, body: unknown): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** What one test needs: a client behind a proxy that misbehaves, and one that sees to it that the API says what it should. */
export interface Station extends AsyncDisposable {
  /** The client under test. Its way to the server is `proxy`. */
  readonly client: KubernetesClient;
  readonly proxy: FaultProxy;
  /** Goes to the server directly. */
  readonly operator: KubernetesClient;
  /** Changes the token in the client's kubeconfig file. */
  setToken(token: string): Promise<void>;
}

export async function openStation({ access }: ApiUnderTest): Promise<Station> {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-station-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const direct = join(folder, 'operator');
  await writeFile(kubeconfig, access.kubeconfig);
  await writeFile(direct, access.kubeconfig);
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: access.port });
  const client = createKubernetesClient({
    resolver: createResolver(),
    clock,
    kubeconfig,
    server: `https://127.0.0.1:${proxy.port}`,
  });
  const operator = createKubernetesClient({ resolver: createResolver(), clock, kubeconfig: direct });
  return {
    client,
    proxy,
    operator,
    setToken: (token) => writeFile(kubeconfig, access.kubeconfig.replace(access.token, token)),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      operator[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
