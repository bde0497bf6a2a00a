import type { Opinion } from './balancer/health.js';
import type { VipSettings } from './config/settings.js';
import { type ElectionParts, nothingMore } from './election-parts.js';
import type { Ground } from './ground.js';
import type { CededVip, VipIdentity } from './handover/messages.js';
import type { Endpoint, Network, NetworkChange, PacketSockets, Programs, VrrpSockets } from './kernel/ports.js';
import type { KubernetesClient } from './kubernetes/client.js';
import type { ClusterCa } from './kubernetes/credentials.js';
import { createLeaseParts } from './lease-parts.js';
import { createLoadBalancer } from './load-balancer-parts.js';
import type { Choice, Planes } from './planes.js';
import type { Signs } from './signs-parts.js';
import type { Log } from './telemetry/log.js';
import type { Metrics, VipReading } from './telemetry/metrics.js';
import type { Clock } from './time/clock.js';
import { millis } from './time/instant.js';
import { createAlways } from './vip/always.js';
import type { DataPath } from './vip/data-path.js';
import { createVipDriver, type VipDriver } from './vip/driver.js';
import type { Bequest } from './vip/election.js';
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
  /** What an earlier process of this node thought of a VIP's backends. */
  readonly opinions: (vip: string) => readonly BackendOpinion[];
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What is thought of a backend. */
export type BackendOpinion = Endpoint & Opinion;

/** A VIP with all its parts. */
export interface Vip {
  /** Does what can be done before `start`, without a word to anybody: backends are found and checked. */
  prepare(): void;
  /** Whether that is done. */
  isPrepared(): boolean;
  /** Contends. @param bequest as `VipDriver.start` */
  start(bequest?: Bequest): void;
  /** Whether the VIP is on this node, announced and balanced; whether it is on its way there or away. */
  readonly stage: 'off' | 'serving' | 'between';
  /** What must be the same in a process that goes on with it. */
  identity(): VipIdentity;
  /** As `VipDriver.cede`. */
  cede(): Promise<CededVip>;
  /** Another process has gone on: ends, and touches nothing. */
  retire(): void;
  /** The backends that an operator drains. */
  drained(): readonly string[];
  /** What is thought of each backend. */
  opinions(): readonly BackendOpinion[];
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

  let isPreparing = false;
  let hasStarted = false;
  function prepare(): void {
    if (isPreparing) return;
    isPreparing = true;
    balancer?.start();
    parts.start();
  }

  return {
    prepare,
    isPrepared: () => (balancer?.isPrepared() ?? true) && parts.isPrepared(),
    start(bequest) {
      prepare();
      hasStarted = true;
      driver.start(bequest);
    },
    get stage() {
      const { kind } = driver.view().state.stage;
      return kind === 'off' || kind === 'serving' ? kind : 'between';
    },
    identity() {
      const { name } = settings;
      const is = identityOf(settings, shared.node, driver.view().link.name, ground.choice.mode);
      return { name, is, unable: parts.unable() };
    },
    async cede() {
      const { name } = settings;
      const bequest = await driver.cede();
      return { name, held: isHeld(driver.view().state), bequest };
    },
    retire() {
      balancer?.stop();
      parts.retire();
    },
    drained: () => balancer?.path.drained() ?? [],
    opinions: () => balancer?.path.opinions() ?? [],
    network(change) {
      // Nothing is done by one that does not contend yet.
      if (!hasStarted) return;
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

/** Where one process leads and another goes on, all of this is the same. */
function identityOf({ addresses, election }: VipSettings, node: string, link: string, mode: Choice['mode']): string {
  const { type, lease, vrrp } = election;
  const elects = {
    none: [],
    lease: [lease.namespace, lease.name, node],
    vrrp: [vrrp.version, vrrp.virtualRouterId, vrrp.unicastSource],
  }[type];
  return JSON.stringify([addresses.map(({ ip }) => ip), link, mode, type, ...elects]);
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

export function logFor(log: Log, vip: string): Log {
  return {
    debug: (message, fields) => log.debug(message, { vip, ...fields }),
    info: (message, fields) => log.info(message, { vip, ...fields }),
    warn: (message, fields) => log.warn(message, { vip, ...fields }),
    error: (message, fields) => log.error(message, { vip, ...fields }),
  };
}
