import { isDeepStrictEqual } from 'node:util';
import type { BalancedBackend, BalancedService, Endpoint, Flow, Flows, NftBalancing } from '../kernel/ports.js';
import type { Share } from '../kernel/shares.js';
import { endpoint, type Family, familyOf, type Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { type DataPlane, farewell, type PlaneBackend, type PlaneConfig, type PlaneStats } from '../vip/data-plane.js';

const retryInterval = millis(1000);
const nothing: PlaneStats = { refused: undefined, backends: [] };

/** nftables as the data plane of one VIP: nothing of a connection enters this process. */
export function createNftPlane(parts: {
  readonly ips: readonly Ip[];
  readonly config: PlaneConfig;
  readonly services: Share<BalancedService>;
  readonly balancing: Pick<NftBalancing, 'stats'>;
  readonly flows: Flows;
  /** `trouble`: why a setting that is held is not as it must be. */
  readonly settings: { hold(family: Family): Promise<AsyncDisposable>; trouble(): string | undefined };
  readonly clock: Clock;
  readonly log: Log;
}): DataPlane {
  const { ips, flows, clock, log } = parts;
  let { config } = parts;
  let backends: readonly PlaneBackend[] = [];
  let stage: 'closed' | 'open' | 'refusing' = 'closed';
  /** What the kernel has. */
  let applied: readonly BalancedService[] = [];
  /** Every service that connections may have come through since the path opened, by name. */
  const served = new Map<string, Endpoint>();
  const holds = new Map<Family, AsyncDisposable>();
  let trouble: string | undefined;
  let retry: Disposable | undefined;
  let last: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  let counted: PlaneStats = nothing;

  function wanted(): readonly BalancedService[] {
    if (stage === 'closed') return [];
    const given = stage === 'open' ? backends : [];
    return ips.flatMap((ip) => config.ports.map((port) => ({ ip, port, scheduler: 'roundrobin', backends: given })));
  }

  /** One change at a time, each to what is wanted by then; those that wait are one. */
  function serve(): Promise<void> {
    waiting ??= last.then(() => {
      waiting = undefined;
      return change();
    });
    last = waiting;
    return waiting;
  }

  /** Settings come first: what is forwarded without them gets no answer. */
  async function change(): Promise<void> {
    retry?.[Symbol.dispose]();
    const next = wanted();
    if (trouble === undefined && isDeepStrictEqual(next, applied)) return;
    try {
      if (next.length > 0) await holdSettings();
      await parts.services.set(next);
      const before = applied;
      applied = next;
      for (const service of next) served.set(endpoint(service.ip, service.port), service);
      if (trouble !== undefined) log.info('nftables balances again');
      trouble = undefined;
      if (stage === 'open') await endConnections(before, next);
      if (stage === 'closed') await releaseSettings();
    } catch (error) {
      if (trouble !== String(error)) log.error('nftables does not balance as it should', { because: error });
      trouble = String(error);
      retry = clock.at(plus(clock.now(), retryInterval), () => void serve());
    }
  }

  async function holdSettings(): Promise<void> {
    for (const family of new Set(ips.map(familyOf))) {
      if (!holds.has(family)) holds.set(family, await parts.settings.hold(family));
    }
  }

  async function releaseSettings(): Promise<void> {
    const held = [...holds.values()];
    holds.clear();
    for (const hold of held) await hold[Symbol.asyncDispose]();
  }

  /** New connections go elsewhere by now; what is still with a backend that left ends, and what had not begun begins anew. */
  async function endConnections(before: readonly BalancedService[], next: readonly BalancedService[]): Promise<void> {
    try {
      for (const service of before) {
        const now = next.find((n) => n.ip === service.ip && n.port === service.port);
        if (now === undefined) continue;
        const left = service.backends.filter((b) => !now.backends.some((n) => isSame(n, b)));
        const drained = service.backends.filter(
          (b) => !b.draining && now.backends.some((n) => n.draining && isSame(n, b)),
        );
        if (left.length + drained.length === 0) continue;
        const found = await flows.find(service);
        const to = (some: readonly BalancedBackend[]) => found.filter((f) => some.some((b) => isAt(b, f)));
        if (left.length > 0) await flows.reset(to(left), 'all');
        if (drained.length > 0) await flows.reset(to(drained), 'opening');
      }
    } catch (error) {
      log.warn('idle connections of removed backends are not reset', { because: error });
    }
  }

  /** Everybody who came through, also through ports that are served no longer. */
  async function resetAll(): Promise<void> {
    if (stage === 'closed') return;
    stage = 'refusing';
    await serve();
    try {
      const found = await Promise.all([...served.values()].map((service) => flows.find(service)));
      const open = await flows.reset(found.flat(), 'all');
      if (open > 0) await new Promise<void>((resolve) => clock.at(plus(clock.now(), farewell), resolve));
    } catch (error) {
      log.warn('idle connections are not reset', { because: error });
    }
  }

  async function count(): Promise<PlaneStats> {
    const totals = (await parts.balancing.stats()).filter(({ service }) => ips.includes(service.ip));
    const found = await Promise.all(applied.map((service) => flows.find(service)));
    const open = found.flat().filter(({ phase }) => phase === 'open');
    return {
      refused: undefined,
      backends: distinct([...backends, ...totals]).map(({ name, ip, port }) => {
        const own = totals.filter((total) => isSame(total, { ip, port }));
        const sum = (of: 'bytesFromClient' | 'bytesToClient') => own.reduce((all, one) => all + one[of], 0n);
        return {
          ...{ name, ip, port },
          open: open.filter((flow) => isAt({ ip, port }, flow)).length,
          total: own.reduce((all, one) => all + one.total, 0),
          failed: undefined,
          reset: undefined,
          bytesFromClient: sum('bytesFromClient'),
          bytesToClient: sum('bytesToClient'),
        };
      }),
    };
  }

  return {
    mode: 'nftables',
    open() {
      stage = 'open';
      return serve();
    },
    setBackends(next) {
      backends = next;
      if (stage === 'open') void serve();
    },
    change(next) {
      config = next;
      if (stage === 'open') void serve();
    },
    reset: resetAll,
    async close() {
      // Who connected between the reset and the address's end must hear of it.
      await resetAll();
      stage = 'closed';
      served.clear();
      await serve();
    },
    trouble: () => trouble ?? (stage === 'open' ? parts.settings.trouble() : undefined),
    settled: () => last,
    async look() {
      try {
        counted = stage === 'open' ? await count() : nothing;
        return true;
      } catch (error) {
        log.debug('connections not counted', { because: error });
        return false;
      }
    },
    stats: () => counted,
    [Symbol.dispose]() {
      retry?.[Symbol.dispose]();
    },
  };
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.ip === b.ip && a.port === b.port;
}

function isAt(backend: Endpoint, flow: Flow): boolean {
  return isSame(backend, flow.backend);
}

/** Each address once, by its first name. */
function distinct<T extends Endpoint>(all: readonly T[]): readonly T[] {
  return all.filter((one, index) => all.findIndex((other) => isSame(other, one)) === index);
}
