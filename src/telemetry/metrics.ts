import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PlaneStats } from '../vip/data-plane.js';
import { type AnnouncementForm, announcementForms } from '../vip/neighbour-protocol.js';
import type { VipStatus } from '../vip/status.js';
import { type Metric, metricTable } from './metric-table.js';

/** What the parts of the daemon tell as it happens. Durations are in seconds, as Prometheus has them. */
export interface Metrics {
  /** The Lease has another holder than before, this node or another. */
  leaderChanged(lease: string): void;
  leaseRenewed(lease: string, seconds: number): void;
  tookOver(vip: string, seconds: number): void;
  announced(vip: string, form: AnnouncementForm): void;
  conflictSeen(vip: string): void;
  advertised(vip: string, family: 4 | 6): void;
  advertisementHeard(vip: string, family: 4 | 6): void;
  /** `reason`: the refusal's name. */
  advertisementRefused(vip: string, reason: string): void;
  /** Another router is VRRP's master than before. */
  masterChanged(vip: string): void;
  checked(vip: string, backend: string, seconds: number): void;
  /** `result`: `ok`, or the refusal's name. */
  apiAnswered(verb: string, result: string): void;
  loopLagged(seconds: number): void;
  /** Where the state is read whenever Prometheus asks. */
  readFrom(source: () => Promise<readonly VipReading[]>): void;
  /** The page at /metrics. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** One VIP as it is now. What is absent from a reading is absent from the page: a removed backend leaves no series. */
export interface VipReading {
  readonly status: VipStatus;
  /** Undefined when no Lease decides; the age, when it was not seen yet. */
  readonly lease: { readonly name: string; readonly ageSeconds: number | undefined } | undefined;
  /** What the data plane carried; undefined where there is none. */
  readonly traffic: PlaneStats | undefined;
}

export interface MetricsOptions {
  readonly node: string;
  readonly version: string;
  /** Their counters are there from the start, at 0, so that the first event counts as a change. */
  readonly vips: readonly { readonly name: string; readonly lease: string | undefined }[];
}

export function createMetrics({ node, version, vips }: MetricsOptions): Metrics {
  const registry = new Registry();
  const instruments = createInstruments(registry);
  const checkedBackends = new Map<string, BackendLabels>();
  let source: () => Promise<readonly VipReading[]> = async () => [];
  instruments.buildInfo.set({ version, node }, 1);
  for (const { name: vip, lease } of vips) {
    for (const form of announcementForms) instruments.announcements.inc({ vip, form }, 0);
    instruments.conflicts.inc({ vip }, 0);
    if (lease !== undefined) instruments.transitions.inc({ lease_name: lease }, 0);
  }
  addProcessMetrics(registry);

  return {
    leaderChanged: (lease) => instruments.transitions.inc({ lease_name: lease }),
    leaseRenewed: (lease, seconds) => instruments.leaseRenew.observe({ lease_name: lease }, seconds),
    tookOver: (vip, seconds) => instruments.takeover.observe({ vip }, seconds),
    announced: (vip, form) => instruments.announcements.inc({ vip, form }),
    conflictSeen: (vip) => instruments.conflicts.inc({ vip }),
    advertised: (vip, family) => instruments.vrrpSent.inc({ vip, family }),
    advertisementHeard: (vip, family) => instruments.vrrpReceived.inc({ vip, family }),
    advertisementRefused: (vip, reason) => instruments.vrrpRefused.inc({ vip, reason }),
    masterChanged: (vip) => instruments.vrrpTransitions.inc({ vip }),
    checked(vip, backend, seconds) {
      checkedBackends.set(keyOf({ vip, backend }), { vip, backend });
      instruments.check.observe({ vip, backend }, seconds);
    },
    apiAnswered: (verb, result) => instruments.apiRequests.inc({ verb, result }),
    loopLagged: (seconds) => instruments.loopLag.observe(seconds),
    readFrom(given) {
      source = given;
    },
    async render() {
      const readings = await source();
      show(instruments, node, readings);
      const present = new Set(
        readings.flatMap(({ status }) =>
          status.loadBalancer.backends.map(({ name }) => keyOf({ vip: status.name, backend: name })),
        ),
      );
      for (const [key, labels] of checkedBackends) {
        if (present.has(key)) continue;
        checkedBackends.delete(key);
        instruments.check.remove(labels);
      }
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

interface BackendLabels {
  readonly vip: string;
  readonly backend: string;
}

type Instruments = ReturnType<typeof createInstruments>;

function createInstruments(registry: Registry) {
  const options = <Label extends string>({ name, help, labels }: Metric<Label>) => ({
    name,
    help,
    labelNames: labels,
    registers: [registry],
  });
  const counter = <Label extends string>(metric: Metric<Label>) => new Counter(options(metric));
  const gauge = <Label extends string>(metric: Metric<Label>) => new Gauge(options(metric));
  const histogram = <Label extends string>(metric: Metric<Label>) =>
    new Histogram({ ...options(metric), buckets: [...(metric.buckets ?? [])] });
  const table = metricTable;
  return {
    isLeader: gauge(table.isLeader),
    transitions: counter(table.transitions),
    buildInfo: gauge(table.buildInfo),
    held: gauge(table.held),
    leaseAge: gauge(table.leaseAge),
    leaseRenew: histogram(table.leaseRenew),
    takeover: histogram(table.takeover),
    announcements: counter(table.announcements),
    conflicts: counter(table.conflicts),
    vrrpSent: counter(table.vrrpSent),
    vrrpReceived: counter(table.vrrpReceived),
    vrrpRefused: counter(table.vrrpRefused),
    vrrpPriority: gauge(table.vrrpPriority),
    vrrpState: gauge(table.vrrpState),
    vrrpTransitions: counter(table.vrrpTransitions),
    dataPlane: gauge(table.dataPlane),
    backendUp: gauge(table.backendUp),
    check: histogram(table.check),
    connectionsOpen: gauge(table.connectionsOpen),
    connections: counter(table.connections),
    connectionsFailed: counter(table.connectionsFailed),
    connectionsReset: counter(table.connectionsReset),
    connectionsRefused: counter(table.connectionsRefused),
    connectionsEnded: counter(table.connectionsEnded),
    bytes: counter(table.bytes),
    loopLag: histogram(table.loopLag),
    apiRequests: counter(table.apiRequests),
  };
}

/** Makes the series that are read, not counted here, those of the readings and no others. */
function show(instruments: Instruments, node: string, readings: readonly VipReading[]): void {
  const { isLeader, held, leaseAge, vrrpPriority, vrrpState, dataPlane, backendUp } = instruments;
  const { connectionsOpen, connections, connectionsFailed, connectionsReset, connectionsRefused } = instruments;
  const { connectionsEnded, bytes } = instruments;
  const opened = [connectionsOpen, connections, connectionsFailed, connectionsReset];
  const relayed = [...opened, connectionsRefused, connectionsEnded, bytes];
  const read = [isLeader, held, leaseAge, vrrpPriority, vrrpState, dataPlane, backendUp, ...relayed];
  for (const instrument of read) instrument.reset();
  for (const { status, lease, traffic } of readings) {
    const vip = status.name;
    if (lease !== undefined) {
      isLeader.set({ node, lease_name: lease.name }, status.role === 'leader' ? 1 : 0);
      if (lease.ageSeconds !== undefined) leaseAge.set({ lease_name: lease.name }, lease.ageSeconds);
    }
    if (status.vrrp !== undefined) {
      vrrpPriority.set({ vip }, status.vrrp.priority);
      vrrpState.set({ vip, state: status.vrrp.state }, 1);
    }
    for (const address of status.addresses) held.set({ vip, address }, status.held ? 1 : 0);
    dataPlane.set({ vip, mode: status.loadBalancer.mode, because: status.loadBalancer.because }, 1);
    for (const { name, state } of status.loadBalancer.backends)
      backendUp.set({ vip, backend: name }, state === 'up' ? 1 : 0);
    if (traffic === undefined) continue;
    if (traffic.refused !== undefined) connectionsRefused.inc({ vip }, traffic.refused);
    for (const [code, count] of Object.entries(traffic.endings ?? {}))
      if (count > 0) connectionsEnded.inc({ vip, code }, count);
    for (const stats of traffic.backends) {
      const labels = { vip, backend: stats.name };
      connectionsOpen.inc(labels, stats.open);
      connections.inc(labels, stats.total);
      if (stats.failed !== undefined) connectionsFailed.inc(labels, stats.failed);
      if (stats.reset !== undefined) connectionsReset.inc(labels, stats.reset);
      bytes.inc({ ...labels, direction: 'from_client' }, Number(stats.bytesFromClient));
      bytes.inc({ ...labels, direction: 'to_client' }, Number(stats.bytesToClient));
    }
  }
}

/**
 * prom-client's own metrics of the process. Left out are its event loop lag (vipd has a better one; sampled rarely here, as sampling
 * cannot be turned off and costs an idle daemon a third of a percent of a core) and gauges that are named like counters.
 */
function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const { name, type } of registry.getMetricsAsArray()) {
    const isMisnamed = name.endsWith('_total') && String(type) !== 'counter';
    if (name.startsWith('nodejs_eventloop_lag_') || isMisnamed) registry.removeSingleMetric(name);
  }
}

function keyOf({ vip, backend }: BackendLabels): string {
  return `${vip}/${backend}`;
}
