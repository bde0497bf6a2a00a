import type { Endpoint } from '../kernel/ports.js';
import { endpoint } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { between, type Millis } from '../time/instant.js';
import { random, type Seed } from '../time/random.js';
import {
  answered,
  type CheckFailure,
  type CheckResult,
  type HealthConfig,
  type HealthState,
  initialHealth,
  mendOf,
  nextCheckAt,
  type Opinion,
  started,
} from './health.js';
import type { Backend } from './pool.js';
import type { Prober } from './prober.js';

export interface CheckReport {
  readonly health: HealthState;
  /** When the last check ended. */
  readonly at: Date | undefined;
}

/** How backends are checked. */
export interface Checking {
  readonly config: HealthConfig;
  readonly probe: Prober;
}

export interface HealthChecks extends Disposable {
  /** Which backends are checked from now on; one that stays keeps its state. */
  set(backends: readonly Backend[]): void;
  /** Checks in another way from now on; every backend keeps its state. */
  change(checking: Checking): void;
  of(backend: Backend): CheckReport | undefined;
  /** What is thought of those that have been checked. */
  opinions(): readonly (Endpoint & Opinion)[];
}

interface Target {
  backend: Backend;
  /** Aborts the checks under way. */
  readonly end: AbortController;
  health: HealthState;
  at: Date | undefined;
  timer: Disposable | undefined;
  /** Failures that the log has since the last turn. */
  said: Set<CheckFailure>;
}

/**
 * Checks every backend at its own times, none waiting for another. The log has a line when a backend turns, and one for each new
 * reason why it stays down.
 */
export function createHealthChecks(
  parts: Checking & {
    readonly clock: Clock;
    readonly seed: Seed;
    readonly log: Log;
    /** What an earlier process of this node thought: where there is that, checks go on and do not begin. */
    readonly before?: readonly (Endpoint & Opinion)[];
    readonly onChange: (backend: Backend, up: boolean) => void;
    readonly onCheck: (backend: Backend, result: CheckResult, took: Millis) => void;
  },
): HealthChecks {
  const { clock, log } = parts;
  let { config, probe }: Checking = parts;
  let seed = parts.seed;
  const targets = new Map<string, Target>();

  function schedule(target: Target): void {
    target.timer?.[Symbol.dispose]();
    const next = nextCheckAt(target.health, config);
    target.timer = next === undefined ? undefined : clock.at(next, () => void check(target));
  }

  async function check(target: Target): Promise<void> {
    const { end } = target;
    const startedAt = clock.now();
    target.health = started(target.health, startedAt);
    schedule(target);
    const result = await probe(target.backend, config.timeout, end.signal);
    if (end.signal.aborted) return;
    const { backend } = target;
    const before = target.health;
    target.health = answered(before, config, result);
    target.at = clock.wall();
    schedule(target);
    parts.onCheck(backend, result, between(startedAt, clock.now()));
    const turned = before.lastResult === undefined || before.up !== target.health.up;
    report(target, before, result, turned);
    if (turned) parts.onChange(backend, target.health.up);
  }

  function report(target: Target, before: HealthState, result: CheckResult, turned: boolean): void {
    const { up } = target.health;
    const name = { backend: target.backend.name };
    if (turned) target.said = new Set();
    if (result.ok) {
      if (turned) log.info('backend', { ...name, from: word(before), to: word(target.health), because: 'check-ok' });
      return;
    }
    const { because, detail } = result;
    const mend = mendOf(because);
    const why = { because, detail, mend };
    const say = mend === undefined ? log.info : log.warn;
    if (turned) say('backend', { ...name, from: word(before), to: word(target.health), ...why });
    else if (up) log.debug('check failed', { ...name, ...why });
    else if (!target.said.has(because)) say('backend stays down', { ...name, ...why });
    if (!up) target.said.add(because);
  }

  function drop(target: Target): void {
    target.end.abort();
    target.timer?.[Symbol.dispose]();
    targets.delete(keyOf(target.backend));
  }

  return {
    set(backends) {
      for (const target of [...targets.values()]) {
        if (!backends.some((backend) => keyOf(backend) === keyOf(target.backend))) drop(target);
      }
      for (const backend of backends) {
        const known = targets.get(keyOf(backend));
        if (known !== undefined) {
          known.backend = backend;
          continue;
        }
        const drawn = random(seed);
        seed = drawn.seed;
        const own = Math.floor(drawn.value * 2 ** 31) as Seed;
        const opinion = parts.before?.find(({ ip, port }) => ip === backend.ip && port === backend.port);
        const { up = false, against = 0, lastResult } = opinion ?? {};
        const target: Target = {
          backend,
          end: new AbortController(),
          health: { ...initialHealth(clock.now(), own), up, against, lastResult },
          at: undefined,
          timer: undefined,
          said: new Set(),
        };
        targets.set(keyOf(backend), target);
        void check(target);
      }
    },
    change(checking) {
      ({ config, probe } = checking);
      for (const target of targets.values()) schedule(target);
    },
    opinions: () =>
      [...targets.values()].flatMap(({ backend: { ip, port }, health: { up, against, lastResult } }) =>
        lastResult === undefined ? [] : [{ ip, port, up, against, lastResult }],
      ),
    of: (backend) => {
      const target = targets.get(keyOf(backend));
      return target === undefined ? undefined : { health: target.health, at: target.at };
    },
    [Symbol.dispose]() {
      for (const target of [...targets.values()]) drop(target);
    },
  };
}

/** What is checked is an address; its name may change. */
function keyOf({ ip, port }: Backend): string {
  return endpoint(ip, port);
}

function word({ up, lastResult }: HealthState): 'unchecked' | 'up' | 'down' {
  if (lastResult === undefined) return 'unchecked';
  return up ? 'up' : 'down';
}
