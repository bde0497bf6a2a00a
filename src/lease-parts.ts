import { randomInt } from 'node:crypto';
import type { VipSettings } from './config/settings.js';
import { type ElectionParts, nothingMore } from './election-parts.js';
import { asObject } from './kubernetes/json.js';
import { createLeaseApi } from './kubernetes/lease-api.js';
import { createLeaseElection } from './lease/driver.js';
import { isUnproven } from './lease/machine.js';
import type { Log } from './telemetry/log.js';
import { millis } from './time/instant.js';
import type { Seed } from './time/random.js';
import type { Shared } from './vip-parts.js';

/** How much longer than two announcements a node listens that boots without an API. */
const bootMargin = 500;

/** The election by Lease, and what is told of it. */
export function createLeaseParts(
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
    isUnproven: () => isUnproven(election.state(), election.leadership()),
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
