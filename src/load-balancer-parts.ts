import { randomInt } from 'node:crypto';
import { type Balancer, createBalancer, type Source } from './balancer/driver.js';
import { type Checking, createHealthChecks } from './balancer/health-driver.js';
import { createHttpsProber } from './balancer/https-prober.js';
import { introduction } from './balancer/introduction.js';
import type { WeightedBackend } from './balancer/pool.js';
import { createTcpProber, type Prober } from './balancer/prober.js';
import { authoritiesIn, createTrust } from './balancer/trust.js';
import type { LoadBalancerSettings, VipSettings } from './config/settings.js';
import type { Ground } from './ground.js';
import { createNodeApi } from './kubernetes/node-api.js';
import { type Family, familyOf, loopbackOf } from './net/ip.js';
import type { ControlPlaneNode } from './nodes/node.js';
import type { Choice } from './planes.js';
import type { Log } from './telemetry/log.js';
import { createWatchLog } from './telemetry/watch-log.js';
import type { Seed } from './time/random.js';
import type { Shared } from './vip-parts.js';

/** The balancing of one VIP: its backends, their checks, its data plane. */
export interface LoadBalancer {
  readonly path: Balancer;
  start(): void;
  /** Whether the backends are known, and each has been checked once. */
  isPrepared(): boolean;
  /** Throws an Error when it cannot; then changing back is what is left to do. */
  change(settings: VipSettings): Promise<void>;
  stop(): void;
}

/** @param onReach hears whether a backend is up */
export function createLoadBalancer(
  first: VipSettings,
  ground: Ground,
  shared: Shared,
  log: Log,
  onReach: (reaches: boolean) => void,
): LoadBalancer {
  const { clock, metrics, planes } = shared;
  const { mode, because } = ground.choice;
  let settings = first;
  let nodes: readonly ControlPlaneNode[] = [];
  log.info('data plane', { mode, because });
  const checks = createHealthChecks({
    ...createChecking(settings.loadBalancer, shared),
    clock,
    seed: randomInt(2 ** 31) as Seed,
    log,
    before: shared.opinions(settings.name),
    onChange() {
      path.backendTurned();
      onReach(path.reaches());
    },
    onCheck: (backend, _result, took) => metrics.checked(settings.name, backend.name, took / 1000),
  });
  const plane = planes.create(mode, settings, log);
  const path = createBalancer({ plane, because, config: settings.loadBalancer, checks, clock, log });
  let watch: Disposable | undefined;
  let isKnown = first.loadBalancer.backends.from === 'static';

  function setSources(): void {
    const { backends } = settings.loadBalancer;
    if (backends.from === 'static') {
      path.setSources(
        backends.servers.map((server) => ({ ...server, ready: true })),
        [],
      );
    } else {
      const families = poolFamilies(settings, mode);
      const sources = families.flatMap((family) => sourcesOf(nodes, backends.port, family));
      path.setSources(
        sources,
        families.flatMap((family) => localBackend(family, sources, backends.port)),
      );
    }
    onReach(path.reaches());
  }

  /**
   * This node's own API server. The proxy reaches it whatever address the node has; what the kernel sends on must be an address that
   * clients' packets can be sent to: that of the Node, or one of the interface.
   */
  function localBackend(family: Family, sources: readonly Source[], port: number): readonly WeightedBackend[] {
    const name = shared.node;
    if (mode === 'proxy') return [{ name, ip: loopbackOf(family), port, weight: 1 }];
    const known = sources.find((s) => s.name === name && familyOf(s.ip) === family);
    const { link, addresses } = ground;
    const own = addresses.find((a) => a.link === link.index && familyOf(a.ip) === family && !a.deprecated);
    const ip = known?.ip ?? own?.ip;
    return ip === undefined ? [] : [{ name, ip, port, weight: 1 }];
  }

  return {
    path,
    isPrepared: () => isKnown && path.isChecked(),
    start() {
      // Until the API says which nodes there are, this node's own API server is what there is.
      setSources();
      if (settings.loadBalancer.backends.from !== 'nodes') return;
      const watchLog = createWatchLog('node', log);
      watch = createNodeApi(shared.kubernetes(), clock).watch((event) => {
        if (event.kind !== 'nodes') return watchLog.interrupted(event);
        watchLog.answered();
        nodes = event.nodes;
        isKnown = true;
        setSources();
      });
    },
    async change(next) {
      await planes.check(mode, next);
      const troubled = plane.trouble();
      path.change(next.loadBalancer);
      checks.change(createChecking(next.loadBalancer, shared));
      settings = next;
      setSources();
      const trouble = await path.settled();
      if (trouble !== undefined && troubled === undefined) throw new Error(trouble);
    },
    stop() {
      watch?.[Symbol.dispose]();
      path[Symbol.dispose]();
    },
  };
}

function createChecking(loadBalancer: LoadBalancerSettings, shared: Shared): Checking {
  return { config: loadBalancer.healthCheck, probe: createProber(loadBalancer, shared) };
}

function createProber(
  { healthCheck: check, proxyProtocol }: LoadBalancerSettings,
  { clock, clusterCa }: Shared,
): Prober {
  const first = proxyProtocol === 'v2' ? introduction : undefined;
  if (check.type === 'tcp') return createTcpProber(clock, first);
  const { ca, insecure } = check;
  const trust = createTrust(ca === undefined ? clusterCa : () => authoritiesIn(ca), clock);
  return createHttpsProber({ ...check, trust: insecure ? 'insecure' : trust, introduction: first }, clock);
}

/**
 * Of which families the backends of nodes are taken. The kernel gives each address of the VIP backends of its own family; the proxy
 * needs one address of each node.
 */
function poolFamilies(settings: VipSettings, mode: Choice['mode']): readonly Family[] {
  const families = [...new Set(settings.addresses.map(({ ip }) => familyOf(ip)))];
  return mode === 'proxy' ? families.slice(0, 1) : families;
}

/** The nodes with an InternalIP of the family; a node's first one counts. */
function sourcesOf(nodes: readonly ControlPlaneNode[], port: number, family: Family): readonly Source[] {
  return nodes.flatMap(({ name, internalIps, ready }) => {
    const ip = internalIps.find((address) => familyOf(address) === family);
    return ip === undefined ? [] : [{ name, ip, port, weight: 1, ready }];
  });
}
