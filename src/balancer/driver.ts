import { endpoint, type Family, familyOf } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Instant, millis, plus } from '../time/instant.js';
import type { DataPath } from '../vip/data-path.js';
import type { DataPlane, PlaneBackendStats, PlaneConfig, PlaneStats } from '../vip/data-plane.js';
import type { BackendStatus, LoadBalancerStatus } from '../vip/status.js';
import type { HealthChecks } from './health-driver.js';
import { type Backend, isSame, shareOut, type WeightedBackend } from './pool.js';

/** How often the connections of backends that are gone are counted; somebody who asks gets counts that are no older than this. */
const lookInterval = millis(1000);
const oldest = millis(500);
/** The address goes when this time is over, whether the clients have heard of it or not. */
const resetPatience = millis(1000);

/** A backend before its checks. */
export interface Source extends WeightedBackend {
  /** What Kubernetes says of its node; true for static backends. */
  readonly ready: boolean;
}

export interface BalancerConfig extends PlaneConfig {
  /** What happens to the open connections of a backend that goes down. */
  readonly whenBackendDown: 'close' | 'keep';
}

export interface Balancer extends DataPath, Disposable {
  /** The backends there are, and what serves when none of them can: this node's own server at its addresses. */
  setSources(sources: readonly Source[], local: readonly WeightedBackend[]): void;
  /** The checks of a backend turned. */
  backendTurned(): void;
  /**
   * Whether a backend gets new connections, as an operator wants it, also when it leaves the list and comes back; false when there is
   * none of this name.
   */
  drain(backend: string, drained: boolean): boolean;
  /** Balances in another way from now on; open connections live on. Throws KernelError, with nothing changed, when it cannot. */
  change(config: BalancerConfig): void;
  /** Reads anew what `status` and `stats` say of connections, unless that is recent. */
  look(): Promise<void>;
  /** Waits until what was asked for is done; what has failed, if something has. */
  settled(): Promise<string | undefined>;
  /** Whether each backend has been checked once. */
  isChecked(): boolean;
  /** As `HealthChecks.opinions`. */
  opinions(): ReturnType<HealthChecks['opinions']>;
  /** Those that an operator drains. */
  drained(): readonly string[];
  /** Whether a backend is up, as the checks of this node have it. */
  reaches(): boolean;
  status(): LoadBalancerStatus;
  stats(): PlaneStats;
}

/**
 * Decides which backends of one VIP take connections, and has a data plane carry them.
 * @param parts.because why it is this data plane
 */
export function createBalancer(parts: {
  readonly plane: DataPlane;
  readonly because: string;
  readonly config: BalancerConfig;
  readonly checks: HealthChecks;
  readonly clock: Clock;
  readonly log: Log;
}): Balancer {
  const { plane, checks, clock, log } = parts;
  let { config } = parts;
  let sources: readonly Source[] = [];
  let local: readonly WeightedBackend[] = [];
  /** The kernel does not cross address families: there each has its own pool. */
  const pools: readonly (Family | 'any')[] = plane.mode === 'proxy' ? ['any'] : [4, 6];
  const drained = new Set<string>();
  /** Those that are gone, as long as they have open connections: they are checked like the others, and get no new ones. */
  let leaving: readonly Source[] = [];
  let nextLook: Disposable | undefined;
  let lookedAt: Instant | undefined;
  let isOpen = false;
  let wasLastResort = false;

  function apply(): void {
    const known = sources.map((s) => ({ ...s, up: isUp(s), drained: drained.has(s.name) }));
    const ready = known.some((k) => k.ready);
    // While nothing is known of those that came, those that went serve on.
    const serveOn = nobodyYet();
    const left = leaving.map((s) => ({ ...s, ready, up: isUp(s), drained: !serveOn || drained.has(s.name) }));
    const candidates = [...known, ...left];
    const parts = pools.map((family) =>
      shareOut(candidates.filter(isOf(family)), local.filter(isOf(family)), config.whenBackendDown),
    );
    const shares = parts.flatMap((part) => part.shares);
    const isLastResort = parts.some((part) => part.isLastResort);
    if (isOpen && isLastResort && !wasLastResort) log.warn('no backend left: serving the local API server');
    wasLastResort = isLastResort;
    plane.setBackends(shares);
  }

  function isUp(source: Source): boolean {
    return checks.of(source)?.health.up ?? false;
  }

  /** From now on these are leaving; as long as there are any, their connections are counted from time to time. */
  function setLeaving(next: readonly Source[]): void {
    leaving = next;
    checks.set([...sources, ...leaving]);
    apply();
    nextLook?.[Symbol.dispose]();
    if (leaving.length > 0) nextLook = clock.at(plus(clock.now(), lookInterval), () => void release());
  }

  /** Who left and has no open connection any more is forgotten, but not while he serves for those who came. */
  async function release(): Promise<void> {
    const left = leaving;
    const isCounted = await plane.look();
    const isBusy = (s: Source) => plane.stats().backends.some((b) => b.open > 0 && isSame(b, s));
    const stay = (s: Source) => hasKept(s) && (!isCounted || nobodyYet() || isBusy(s));
    setLeaving(leaving.filter((s) => !left.includes(s) || stay(s)));
  }

  /** Whether nothing is known of those that came. */
  function nobodyYet(): boolean {
    return !sources.some(isUp) && sources.some((s) => checks.of(s)?.health.lastResult === undefined);
  }

  /** Whether its open connections were not reset. */
  function hasKept(source: Source): boolean {
    return isOpen && (isUp(source) || config.whenBackendDown === 'keep');
  }

  function backendStatus(source: Source, counters: readonly PlaneBackendStats[]): BackendStatus {
    const check = checks.of(source);
    const result = check?.health.lastResult;
    const at = check?.at?.toISOString();
    const serves = isUp(source) && (source.ready || !sources.some((s) => s.ready));
    const { name, weight } = source;
    return {
      name,
      address: endpoint(source.ip, source.port),
      ...(config.weighted ? { weight } : {}),
      state: !serves ? 'down' : drained.has(name) ? 'draining' : 'up',
      drained: drained.has(name),
      connections: counters.filter((c) => isSame(c, source)).reduce((all, { open }) => all + open, 0),
      lastCheck:
        result === undefined || at === undefined ? undefined : { at, result: result.ok ? 'ok' : result.because },
    };
  }

  return {
    async open() {
      isOpen = true;
      wasLastResort = false;
      apply();
      await plane.open();
    },
    reset() {
      isOpen = false;
      let timer: Disposable | undefined;
      const late = new Promise<void>((resolve) => {
        timer = clock.at(plus(clock.now(), resetPatience), () => {
          log.warn('connections are still being reset when the address goes');
          resolve();
        });
      });
      return Promise.race([plane.reset(), late]).finally(() => timer?.[Symbol.dispose]());
    },
    async close() {
      isOpen = false;
      await plane.close();
      setLeaving([]);
    },
    setSources(next, fallback) {
      const gone = sources.filter((s) => !next.some((n) => isSame(n, s)));
      const left = [...leaving, ...gone.filter(hasKept)].filter((s) => !next.some((n) => isSame(n, s)));
      sources = next;
      local = fallback;
      setLeaving(left);
    },
    backendTurned: apply,
    drain(backend, wanted) {
      if (!sources.some(({ name }) => name === backend)) return false;
      if (drained.has(backend) === wanted) return true;
      if (wanted) drained.add(backend);
      else drained.delete(backend);
      log.info('backend', { backend, ...(wanted ? { to: 'draining' } : { from: 'draining' }), because: 'operator' });
      apply();
      return true;
    },
    change(next) {
      plane.change(next);
      config = next;
      apply();
    },
    async look() {
      if (lookedAt !== undefined && clock.now() < plus(lookedAt, oldest)) return;
      lookedAt = clock.now();
      await plane.look();
    },
    async settled() {
      await plane.settled();
      return plane.trouble();
    },
    status() {
      const counters = plane.stats().backends;
      return {
        mode: plane.mode,
        because: parts.because,
        trouble: plane.trouble(),
        ports: config.ports,
        backends: sources.map((s) => backendStatus(s, counters)),
      };
    },
    isChecked: () => sources.every((s) => checks.of(s)?.health.lastResult !== undefined),
    opinions: () => checks.opinions(),
    drained: () => [...drained],
    reaches: () => sources.some(isUp),
    stats: () => plane.stats(),
    [Symbol.dispose]() {
      nextLook?.[Symbol.dispose]();
      plane[Symbol.dispose]();
      checks[Symbol.dispose]();
    },
  };
}

function isOf(family: Family | 'any'): (backend: Backend) => boolean {
  return ({ ip }) => family === 'any' || familyOf(ip) === family;
}
