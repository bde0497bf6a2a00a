import { randomInt } from 'node:crypto';
import { type Balancer, createBalancer, type Source } from './balancer/driver.js';
import { type Checking, createHealthChecks } from './balancer/health-driver.js';
import { createHttpsProber } from './balancer/https-prober.js';
import type { Backend } from './balancer/pool.js';
import { createTcpProber, type Prober } from './balancer/prober.js';
import { authoritiesIn, createTrust } from './balancer/trust.js';
import type { HealthCheckSettings, VipSettings } from './config/settings.js';
import { type ElectionParts, nothingMore } from './election-parts.js';
import type { Ground } from './ground.js';
import type { Network, NetworkChange, PacketSockets, Programs, VrrpSockets } from './kernel/ports.js';
import type { KubernetesClient } from './kubernetes/client.js';
import type { ClusterCa } from './kubernetes/credentials.js';
import { asObject } from './kubernetes/json.js';
import { createLeaseApi } from './kubernetes/lease-api.js';
import { createNodeApi } from './kubernetes/node-api.js';
import { createLeaseElection } from './lease/driver.js';
import { isApiAway, knownLease } from './lease/state.js';
import { type Family, familyOf, loopbackOf } from './net/ip.js';
import type { ControlPlaneNode } from './nodes/node.js';
import type { Choice, Planes } from './planes.js';
import type { Signs } from './signs-parts.js';
import type { Log } from './telemetry/log.js';
import type { Metrics, VipReading } from './telemetry/metrics.js';
import { createWatchLog } from './telemetry/watch-log.js';
import type { Clock } from './time/clock.js';
import { millis } from './time/instant.js';
import type { Seed } from './time/random.js';
import { createAlways } from './vip/always.js';
import type { DataPath } from './vip/data-path.js';
import { createVipDriver, type VipDriver } from './vip/driver.js';
import { isHeld, type VipConfig } from './vip/state.js';
import type { LoadBalancerStatus, VipStatus } from './vip/status.js';
import { createVrrpParts } from './vrrp-parts.js';

/** What the VIPs of a daemon share. */
export interface Shared {
  readonly node: string;
  readonly clock: Clock;
  readonly network: Network;
  readonly packets: PacketSockets;
  readonly vrrp: VrrpSockets;
  readonly programs: Programs;
  readonly planes: Planes;
  readonly kubernetes: () => KubernetesClient;
  /** What the API servers' certificates are verified with, as the kubeconfig has it now. */
  readonly clusterCa: () => ClusterCa;
  readonly signs: Pick<Signs, 'serves'>;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A VIP with all its parts. */
export interface Vip {
  start(): void;
  network(change: NetworkChange): void;
  stop(): Promise<void>;
  /** Reads anew what `reading` says of connections. */
  look(): Promise<void>;
  reading(): VipReading;
  readonly settings: VipSettings;
  /** Balances and announces by other settings from now on. Throws an Error when it cannot; then it is to be changed back. */
  change(settings: VipSettings): Promise<void>;
  /** As `Balancer.drain`. */
  drain(backend: string, drained: boolean): boolean;
  /** Whether what it has, or knows of who leads, could not be had again if it were given up now. */
  isUnproven(): boolean;
  /** Why this node could not serve the VIP if it had to. */
  troubles(): readonly string[];
  /** All that is known of it, settings apart: plain data without secrets. */
  dump(): Readonly<Record<string, unknown>>;
}

/** How much longer than two announcements a node listens that boots without an API. */
const bootMargin = 500;
/** How long beyond a Lease a holder is waited for that still answers for the address. */
const patienceMargin = 500;
export const offStatus: LoadBalancerStatus = {
  mode: 'off',
  because: 'configured',
  trouble: undefined,
  ports: [],
  backends: [],
};
const noDataPath: DataPath = { open: async () => {}, reset: async () => {}, close: async () => {} };

/** Builds the parts of one VIP and hands each its ports. Nothing is contended for before `start`. */
export function createVip(first: VipSettings, ground: Ground, shared: Shared): Vip {
  let settings = first;
  const { clock, metrics } = shared;
  const log = logFor(shared.log, settings.name);
  const parts = createElection(settings, ground, shared, log);
  const balancer =
    settings.loadBalancer.mode === 'off'
      ? undefined
      : createLoadBalancer(settings, ground, shared, log, (reaches) => parts.reaches(reaches));
  const driver: VipDriver = createVipDriver({
    ips: settings.addresses.map((address) => address.ip),
    link: ground.link,
    config: driverConfig(settings),
    election: parts.election,
    network: shared.network,
    packets: shared.packets,
    dataPath: balancer?.path ?? noDataPath,
    clock,
    log,
    observer: {
      announced: (form) => metrics.announced(settings.name, form),
      conflict: () => metrics.conflictSeen(settings.name),
      takeover: (took) => metrics.tookOver(settings.name, took / 1000),
      serves(serves, because) {
        parts.serves(serves);
        shared.signs.serves(settings, serves, because, parts.lease());
      },
    },
  });

  function status(): VipStatus {
    const { leadership, state, since, link: current, claimant } = driver.view();
    const alarm = parts.alarm() ?? (claimant === undefined ? undefined : `another host claims the VIP: ${claimant}`);
    const vrrp = parts.vrrp();
    const isFaulty = state.fault !== undefined || vrrp?.state === 'FAULT';
    return {
      name: settings.name,
      addresses: settings.addresses.map((address) => address.ip),
      interface: current.name,
      role: isFaulty ? 'fault' : leadership.role,
      leader: leadership.leader,
      since: since.toISOString(),
      because: state.fault ?? leadership.because,
      ...(alarm === undefined ? {} : { alarm }),
      ...(vrrp === undefined ? {} : { vrrp }),
      held: isHeld(state),
      loadBalancer: balancer?.path.status() ?? offStatus,
    };
  }

  function troubles(): readonly string[] {
    const { role, because, loadBalancer } = status();
    const found: string[] = [];
    if (role === 'fault' || because === 'waiting-for-api' || because === 'starting') {
      found.push(`VIP ${settings.name}: ${because}`);
    }
    if (loadBalancer.mode !== 'off' && !loadBalancer.backends.some((backend) => backend.state === 'up')) {
      found.push(`VIP ${settings.name}: no backend is up`);
    }
    if (loadBalancer.trouble !== undefined) found.push(`VIP ${settings.name}: ${loadBalancer.trouble}`);
    return found;
  }

  return {
    start() {
      balancer?.start();
      parts.start();
      driver.start();
    },
    network(change) {
      parts.network(change);
      driver.network(change);
    },
    async stop() {
      await driver.stop();
      balancer?.stop();
      await parts.stop();
    },
    get settings() {
      return settings;
    },
    async change(next) {
      await balancer?.change(next);
      driver.configure(driverConfig(next));
      parts.change(next);
      settings = next;
    },
    drain: (backend, drained) => balancer?.path.drain(backend, drained) ?? false,
    isUnproven: () => parts.isUnproven(),
    async look() {
      await balancer?.path.look();
    },
    reading() {
      const { lease, type } = settings.election;
      return {
        status: status(),
        lease: type === 'lease' ? { name: lease.name, ageSeconds: parts.leaseAge() } : undefined,
        traffic: balancer?.path.stats(),
      };
    },
    troubles,
    dump() {
      const { config: _, ...state } = driver.view().state;
      return {
        ...status(),
        troubles: troubles(),
        traffic: balancer?.path.stats(),
        leaseAgeSeconds: parts.leaseAge(),
        link: driver.view().link,
        leadership: driver.view().leadership,
        state,
        election: parts.state(),
      };
    },
  };
}

function driverConfig({ deadManSwitch, announce, election }: VipSettings): VipConfig {
  // With VRRP the protocol alone decides (VipConfig.probeFirst).
  const probeFirst = election.type !== 'vrrp';
  return { deadManSwitch, announce, probeFirst, patience: millis(election.lease.duration + patienceMargin) };
}

function createElection(settings: VipSettings, ground: Ground, shared: Shared, log: Log): ElectionParts {
  switch (settings.election.type) {
    case 'none':
      return { ...nothingMore, election: createAlways(shared.node) };
    case 'vrrp':
      return createVrrpParts(settings, ground.link, shared, log);
    case 'lease':
      return createLeaseParts(settings, shared, log);
  }
}

function createLeaseParts(
  settings: VipSettings,
  { node, clock, metrics, kubernetes }: Shared,
  log: Log,
): ElectionParts {
  const { namespace, name, duration, renewDeadline, retryPeriod } = settings.election.lease;
  let { annotations } = settings.election.lease;
  const election = createLeaseElection({
    api: createLeaseApi(kubernetes(), { namespace, name, annotations: () => annotations }, clock),
    clock,
    config: {
      ...{ identity: node, duration, renewDeadline, retryPeriod, onApiLoss: settings.election.onApiLoss },
      // Whoever has the address has announced it twice by then.
      bootPatience: millis(2 * settings.announce.interval + bootMargin),
    },
    seed: randomInt(2 ** 31) as Seed,
    log,
    observer: {
      request(purpose, result, took) {
        metrics.apiAnswered(purpose, result);
        if (purpose === 'renew' && result === 'ok') metrics.leaseRenewed(name, took / 1000);
      },
      transition: () => metrics.leaderChanged(name),
    },
  });
  const leaseAge = () => {
    const { known } = election.state();
    return known?.lease === undefined ? undefined : (clock.now() - known.since) / 1000;
  };
  return {
    ...nothingMore,
    election,
    leaseAge,
    isUnproven() {
      const state = election.state();
      const { role, authority } = election.leadership();
      const hasProof = role === 'follower' || authority.kind === 'proven';
      return !hasProof || (isApiAway(state) && (role === 'leader' || knownLease(state) !== undefined));
    },
    change(next) {
      annotations = next.election.lease.annotations;
    },
    lease() {
      const uid = asObject(election.state().known?.lease?.object.metadata)?.uid;
      return { namespace, name, uid: typeof uid === 'string' ? uid : undefined };
    },
    state() {
      const { config: _, known, ...state } = election.state();
      if (known?.lease === undefined) return { ...state, known };
      const { object: __, ...lease } = known.lease;
      return { ...state, known: { ...known, lease } };
    },
  };
}

interface LoadBalancer {
  readonly path: Balancer;
  start(): void;
  /** Throws an Error when it cannot; then changing back is what is left to do. */
  change(settings: VipSettings): Promise<void>;
  stop(): void;
}

function createLoadBalancer(
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
    ...createChecking(settings.loadBalancer.healthCheck, shared),
    clock,
    seed: randomInt(2 ** 31) as Seed,
    log,
    onChange() {
      path.backendTurned();
      onReach(path.reaches());
    },
    onCheck: (backend, _result, took) => metrics.checked(settings.name, backend.name, took / 1000),
  });
  const plane = planes.create(mode, settings, log);
  const path = createBalancer({ plane, because, config: settings.loadBalancer, checks, clock, log });
  let watch: Disposable | undefined;

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
  function localBackend(family: Family, sources: readonly Source[], port: number): readonly Backend[] {
    const name = shared.node;
    if (mode === 'proxy') return [{ name, ip: loopbackOf(family), port }];
    const known = sources.find((s) => s.name === name && familyOf(s.ip) === family);
    const { link, addresses } = ground;
    const own = addresses.find((a) => a.link === link.index && familyOf(a.ip) === family && !a.deprecated);
    const ip = known?.ip ?? own?.ip;
    return ip === undefined ? [] : [{ name, ip, port }];
  }

  return {
    path,
    start() {
      // Until the API says which nodes there are, this node's own API server is what there is.
      setSources();
      if (settings.loadBalancer.backends.from !== 'nodes') return;
      const watchLog = createWatchLog('node', log);
      watch = createNodeApi(shared.kubernetes(), clock).watch((event) => {
        if (event.kind !== 'nodes') return watchLog.interrupted(event);
        watchLog.answered();
        nodes = event.nodes;
        setSources();
      });
    },
    async change(next) {
      await planes.check(mode, next);
      const troubled = plane.trouble();
      path.change(next.loadBalancer);
      checks.change(createChecking(next.loadBalancer.healthCheck, shared));
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

function createChecking(check: HealthCheckSettings, shared: Shared): Checking {
  return { config: check, probe: createProber(check, shared) };
}

function createProber(check: HealthCheckSettings, { clock, clusterCa }: Shared): Prober {
  if (check.type === 'tcp') return createTcpProber(clock);
  const { ca, insecure } = check;
  const trust = createTrust(ca === undefined ? clusterCa : () => authoritiesIn(ca), clock);
  return createHttpsProber({ ...check, trust: insecure ? 'insecure' : trust }, clock);
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
    return ip === undefined ? [] : [{ name, ip, port, ready }];
  });
}

export function logFor(log: Log, vip: string): Log {
  return {
    debug: (message, fields) => log.debug(message, { vip, ...fields }),
    info: (message, fields) => log.info(message, { vip, ...fields }),
    warn: (message, fields) => log.warn(message, { vip, ...fields }),
    error: (message, fields) => log.error(message, { vip, ...fields }),
  };
}
