import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import type { Instant, Millis } from '../time/instant.js';
import { type CheckResult, checked, type HealthConfig, type HealthState, initialHealth } from './health.js';
import type { Backend } from './pool.js';
import type { Prober } from './prober.js';

export interface CheckReport {
  readonly health: HealthState;
  readonly at: Date | undefined;
}

export interface HealthChecks extends Disposable {
  /** Which backends are checked from now on; one that stays keeps its state. */
  set(backends: readonly Backend[]): void;
  of(name: string): CheckReport | undefined;
}

interface Target {
  readonly backend: Backend;
  health: HealthState;
  at: Date | undefined;
  timer: Disposable | undefined;
}

/** Checks every backend at its own time, none waiting for another. */
export function createHealthChecks(parts: {
  readonly config: HealthConfig;
  readonly probe: Prober;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: (backend: Backend, up: boolean) => void;
  readonly onCheck: (backend: Backend, result: CheckResult, took: Millis) => void;
}): HealthChecks {
  const { config, clock, log } = parts;
  const targets = new Map<string, Target>();

  function schedule(target: Target): void {
    target.timer = clock.at(target.health.nextAt, () => void check(target));
  }

  async function check(target: Target): Promise<void> {
    const startedAt = clock.now();
    const result = await parts.probe(target.backend, config.timeout);
    if (targets.get(target.backend.name) !== target) return;
    const now: Instant = clock.now();
    const before = target.health;
    target.health = checked(before, config, result, startedAt);
    target.at = clock.wall();
    parts.onCheck(target.backend, result, (now - startedAt) as Millis);
    if (before.lastResult === undefined || before.up !== target.health.up) {
      log.info('backend', {
        backend: target.backend.name,
        from: before.lastResult === undefined ? 'unchecked' : word(before.up),
        to: word(target.health.up),
        because: result.ok ? 'check-ok' : result.because,
      });
      parts.onChange(target.backend, target.health.up);
    }
    schedule(target);
  }

  function drop(target: Target): void {
    target.timer?.[Symbol.dispose]();
    targets.delete(target.backend.name);
  }

  return {
    set(backends) {
      for (const target of [...targets.values()]) {
        const wanted = backends.find((b) => b.name === target.backend.name);
        const same = wanted?.ip === target.backend.ip && wanted.port === target.backend.port;
        if (!same) drop(target);
      }
      for (const backend of backends) {
        if (targets.has(backend.name)) continue;
        const target: Target = { backend, health: initialHealth(clock.now()), at: undefined, timer: undefined };
        targets.set(backend.name, target);
        void check(target);
      }
    },
    of: (name) => {
      const target = targets.get(name);
      return target === undefined ? undefined : { health: target.health, at: target.at };
    },
    [Symbol.dispose]() {
      for (const target of [...targets.values()]) drop(target);
    },
  };
}

function word(up: boolean): 'up' | 'down' {
  return up ? 'up' : 'down';
}
