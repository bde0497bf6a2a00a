import { endpoint } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { DataPath } from '../vip/data-path.js';
import type { DataPlane, PlaneBackendStats, PlaneStats } from '../vip/data-plane.js';
import type { BackendStatus, LoadBalancerStatus } from '../vip/status.js';
import type { HealthChecks } from './health-driver.js';
import { type Backend, eligible } from './pool.js';

/** A backend before its checks. */
export interface Source extends Backend {
  /** What Kubernetes says of its node; true for static backends. */
  readonly ready: boolean;
}

export interface Balancer extends DataPath, Disposable {
  /** The backends there are, and what serves when none of them can. */
  setSources(sources: readonly Source[], local: Backend | undefined): void;
  /** The checks of a backend turned. */
  backendTurned(backend: Backend, up: boolean): void;
  status(): LoadBalancerStatus;
  stats(): PlaneStats;
}

/** Decides which backends of one VIP take connections, and has a data plane carry them. */
export function createBalancer(parts: {
  readonly plane: DataPlane;
  readonly ports: readonly number[];
  readonly whenBackendDown: 'close' | 'keep';
  readonly checks: HealthChecks;
  readonly log: Log;
}): Balancer {
  const { plane, checks, log } = parts;
  let sources: readonly Source[] = [];
  let local: Backend | undefined;
  let isOpen = false;
  let usingLocal = false;

  function apply(): void {
    const candidates = sources.map((s) => ({ ...s, up: checks.of(s.name)?.health.up ?? false }));
    const backends = eligible(candidates, local);
    const nowLocal = backends.length === 1 && backends[0] === local;
    if (isOpen && nowLocal && !usingLocal) log.warn('no backend left: serving the local API server');
    usingLocal = nowLocal;
    plane.setBackends(backends);
  }

  function end(name: string): void {
    if (parts.whenBackendDown === 'close') plane.resetBackend(name);
  }

  function backendStatus(source: Source, counters: readonly PlaneBackendStats[]): BackendStatus {
    const check = checks.of(source.name);
    const result = check?.health.lastResult;
    const at = check?.at?.toISOString();
    return {
      name: source.name,
      address: endpoint(source.ip, source.port),
      state: check?.health.up === true && (source.ready || !sources.some((s) => s.ready)) ? 'up' : 'down',
      connections: counters.find((c) => c.name === source.name)?.open ?? 0,
      lastCheck:
        result === undefined || at === undefined ? undefined : { at, result: result.ok ? 'ok' : result.because },
    };
  }

  return {
    async open() {
      isOpen = true;
      apply();
      await plane.open();
    },
    reset() {
      isOpen = false;
      return plane.reset();
    },
    close() {
      isOpen = false;
      return plane.close();
    },
    setSources(next, fallback) {
      const gone = sources.filter((s) => !next.some((n) => n.name === s.name && n.ip === s.ip && n.port === s.port));
      sources = next;
      local = fallback;
      checks.set(next);
      apply();
      for (const source of gone) end(source.name);
    },
    backendTurned(backend, up) {
      apply();
      if (!up) end(backend.name);
    },
    status() {
      const counters = plane.stats().backends;
      const because = plane.trouble() ?? 'in-process relay';
      return {
        mode: plane.mode,
        because,
        ports: parts.ports,
        backends: sources.map((s) => backendStatus(s, counters)),
      };
    },
    stats: () => plane.stats(),
    [Symbol.dispose]() {
      plane[Symbol.dispose]();
      checks[Symbol.dispose]();
    },
  };
}
