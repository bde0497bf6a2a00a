import type { VipSettings } from './config/settings.js';
import { type ElectionParts, nothingMore } from './election-parts.js';
import type { Link, Network, Programs, VrrpSockets } from './kernel/ports.js';
import type { Log } from './telemetry/log.js';
import type { Metrics } from './telemetry/metrics.js';
import type { Clock } from './time/clock.js';
import type { VrrpStatus } from './vip/status.js';
import type { VrrpConfig } from './vrrp/config.js';
import { createVrrpElection, type VrrpElection } from './vrrp/driver.js';
import { createNotifier } from './vrrp/notifier.js';
import { notifiedState } from './vrrp/notify.js';
import { advertisedPriority } from './vrrp/state.js';
import { createTracker, type TrackerConfig } from './vrrp/tracker.js';

/** VRRP with what the priority follows, and whom it tells of changes. */
export function createVrrpParts(
  first: VipSettings,
  link: Link,
  shared: {
    readonly node: string;
    readonly clock: Clock;
    readonly network: Network;
    readonly metrics: Metrics;
    readonly vrrp: VrrpSockets;
    readonly programs: Programs;
  },
  log: Log,
): ElectionParts {
  const { node, clock, network, metrics, vrrp: sockets, programs } = shared;
  const { name } = first;
  const { unicastSource } = first.election.vrrp;
  let settings = first;
  let serves = false;
  const notifier = createNotifier({ vip: name, commands: settings.election.vrrp.notify, programs, clock, log });
  const election: VrrpElection = createVrrpElection({
    node,
    config: vrrpConfig(settings),
    link,
    sources: unicastSource === undefined ? [] : [unicastSource],
    network,
    sockets,
    clock,
    log,
    observer: {
      sent: (family) => metrics.advertised(name, family),
      received: (family) => metrics.advertisementHeard(name, family),
      refused: (reason) => metrics.advertisementRefused(name, reason),
      transition: () => metrics.masterChanged(name),
      stepped(state) {
        tracker.holds(state.role.kind === 'master' || state.role.kind === 'resigning');
        notifier.look(state, serves);
      },
    },
  });
  const tracker = createTracker({
    config: trackerConfig(settings),
    network,
    programs,
    clock,
    log,
    onVerdict: (verdict) => election.tracked(verdict),
  });

  return {
    ...nothingMore,
    election,
    start: () => tracker.start(),
    isPrepared: () => tracker.verdict().fault !== 'tracking-unknown',
    unable() {
      const { fault, because } = tracker.verdict();
      return fault === undefined ? undefined : [fault, ...because].join(', ');
    },
    retire() {
      tracker[Symbol.dispose]();
      election.replaced();
    },
    async stop() {
      tracker[Symbol.dispose]();
      await notifier.told();
    },
    network(change) {
      election.network(change);
      tracker.network(change);
    },
    change(next) {
      settings = next;
      election.configure(vrrpConfig(next));
      tracker.change(trackerConfig(next));
      notifier.change(next.election.vrrp.notify);
    },
    reaches: (reaches) => tracker.reaches(reaches),
    serves(is) {
      serves = is;
      notifier.look(election.state(), serves);
    },
    alarm: () => election.alarm(),
    state() {
      const { config: _, ...state } = election.state();
      return { ...state, serves, tracking: tracker.verdict() };
    },
    vrrp(): VrrpStatus {
      const state = election.state();
      const { master } = state;
      return {
        state: notifiedState(state, serves) ?? 'INIT',
        priority: advertisedPriority(state),
        configuredPriority: state.config.priority,
        because: tracker.verdict().because,
        master: master === undefined ? undefined : { address: master.source, priority: master.priority },
      };
    },
  };
}

function vrrpConfig({ addresses, election: { vrrp } }: VipSettings): VrrpConfig {
  const { version, virtualRouterId, priority, advertInterval, preempt, preemptDelay } = vrrp;
  const { authPass, unicastPeers, checksum } = vrrp;
  return {
    ...{ version, virtualRouterId, priority, advertInterval, preempt, preemptDelay, authPass, unicastPeers, checksum },
    addresses: addresses.map(({ ip }) => ip),
  };
}

function trackerConfig({ election: { vrrp }, loadBalancer }: VipSettings): TrackerConfig {
  const { priority, track, trackWeight } = vrrp;
  return { priority, ...track, reachWeight: trackWeight, patience: loadBalancer.healthCheck.interval };
}
