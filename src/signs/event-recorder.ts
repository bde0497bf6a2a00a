import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { between, type Instant, millis, plus } from '../time/instant.js';
import type { EventApi, LeadershipEvent, LeaseReference } from './api.js';
import { eventOf, type VipChange } from './change.js';

/** Tells the cluster of changes, as well as that can be done. Nothing waits for it. */
export interface EventRecorder extends Disposable {
  /** @param lease the Lease that the Event is about */
  record(change: VipChange, lease: LeaseReference): void;
  /** Resolves when all is told, when the API refuses, or when that takes too long. */
  told(): Promise<void>;
  view(): unknown;
}

const requestTimeout = millis(5000);
/** The API is often away for a while just when there is something to tell. */
const patience = millis(2 * 60_000);
/** So many at once; after that one more in every minute. */
const burst = 10;
const refillInterval = millis(60_000);
const farewellPatience = millis(2000);

interface Waiting {
  readonly event: LeadershipEvent;
  readonly since: Instant;
}

export function createEventRecorder(parts: {
  readonly node: string;
  readonly api: EventApi;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}): EventRecorder {
  const { node, api, clock, log, random = Math.random } = parts;
  const queue: Waiting[] = [];
  let tokens = burst;
  let refilledAt = clock.now();
  let untold = 0;
  let asking = false;
  let failures = 0;
  let isForbidden = false;
  let leaving = false;
  let disposed = false;
  let timer: Disposable | undefined;
  let onEmpty: (() => void) | undefined;

  function takeToken(): boolean {
    const refill = Math.floor(between(refilledAt, clock.now()) / refillInterval);
    refilledAt = plus(refilledAt, millis(refill * refillInterval));
    tokens = Math.min(burst, tokens + refill);
    if (tokens === 0) return false;
    tokens--;
    return true;
  }

  function later(pause: number): void {
    timer?.[Symbol.dispose]();
    timer = disposed ? undefined : clock.at(plus(clock.now(), millis(pause)), () => void tell());
  }

  async function tell(): Promise<void> {
    const [first] = queue;
    if (asking || disposed || first === undefined) return;
    asking = true;
    const answer = await api.create(first.event, requestTimeout);
    asking = false;
    const isLate = between(first.since, clock.now()) >= patience;
    // Who may not today may perhaps tomorrow, but is not asked twice for the same.
    const isHopeless = !answer.ok && ['forbidden', 'absent', 'invalid'].includes(answer.refusal);
    if (answer.ok) {
      isForbidden = false;
      failures = 0;
    } else {
      failures++;
      const isNews = isHopeless && !isForbidden;
      if (isHopeless) isForbidden = true;
      const fields = { because: answer.refusal, detail: answer.detail };
      log[isNews ? 'info' : 'debug']('Kubernetes Events cannot be written', fields);
    }
    if (answer.ok || isHopeless || isLate || leaving) queue.shift();
    if (queue.length === 0) onEmpty?.();
    else later(failures === 0 || isHopeless ? 0 : Math.min(30_000, 1000 * 2 ** (failures - 1)) * (0.5 + random() / 2));
  }

  return {
    record(change, lease) {
      if (disposed) return;
      if (!takeToken()) {
        untold++;
        return;
      }
      const mark = Math.floor(random() * 2 ** 32).toString(16);
      const event = eventOf(change, { node, lease, at: clock.wall(), mark }, untold);
      untold = 0;
      queue.push({ event, since: clock.now() });
      // Not in the step that took the VIP or gave it up.
      if (queue.length === 1) later(0);
    },
    async told() {
      if (disposed || queue.length === 0) return;
      let late: Disposable | undefined;
      await new Promise<void>((resolve) => {
        leaving = true;
        onEmpty = resolve;
        late = clock.at(plus(clock.now(), farewellPatience), resolve);
        if (!asking) later(0);
      });
      late?.[Symbol.dispose]();
    },
    view: () => ({ waiting: queue.map(({ event }) => event.message), untold, isForbidden, failures }),
    [Symbol.dispose]() {
      disposed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
