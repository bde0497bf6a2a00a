import { KernelError } from '../kernel/errors.js';
import type { Supervisor } from '../kernel/ports.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis, plus } from '../time/instant.js';

/** What the supervisor is told of the daemon's life. Whatever it does not take is told again a second later. */
export interface Reports extends Disposable {
  /** The daemon runs and contends, whoever leads. From now on it is watched. */
  ready(): void;
  /** Does it with the supervisor knowing that a reload is going on. */
  whileReloading<T>(work: () => Promise<T>): Promise<T>;
  /** The daemon is on its way down. */
  stopping(): void;
  /** Another process is the daemon from now on (sd_notify(3), MAINPID): of this one nothing more is told. */
  handedOver(to: number): void;
}

/** For a daemon that nobody supervises. */
export const noReports: Reports = {
  ready() {},
  whileReloading: (work) => work(),
  stopping() {},
  handedOver() {},
  [Symbol.dispose]() {},
};

type Phase = 'starting' | 'ready' | 'reloading' | 'stopping';

const lookInterval = millis(1000);

export function createReports(parts: {
  readonly supervisor: Supervisor;
  /** It kills a process from which it has not heard for so long; undefined when it does not. */
  readonly watchdog: Millis | undefined;
  /** Whether the daemon makes progress. While it does not, the supervisor is not told that it lives. */
  readonly live: () => boolean;
  /** One line: what people read about the daemon. */
  readonly status: () => string;
  readonly clock: Clock;
  /** CLOCK_MONOTONIC in microseconds. */
  readonly monotonic: () => bigint;
  readonly log: Log;
}): Reports {
  const { supervisor, watchdog, live, status, clock, monotonic, log } = parts;
  let phase: Phase = 'starting';
  let told: { readonly phase: Phase; readonly status: string | undefined } = { phase, status: undefined };
  let reloads = 0;
  let isDeaf = false;
  const timers: Disposable[] = [];
  let isOver = false;
  let isSilent = false;

  function tell(assignments: readonly string[]): boolean {
    try {
      supervisor.tell(assignments);
      isDeaf = false;
      return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (!isDeaf) log.warn('the supervisor cannot be told', { because: error });
      isDeaf = true;
      return false;
    }
  }

  /** Tells what has changed since it was last told. */
  function catchUp(): void {
    const now = { phase, status: phase === 'stopping' ? 'giving up the VIPs' : status() };
    const assignments = [
      ...(now.phase === told.phase ? [] : words(now.phase)),
      ...(now.status === told.status ? [] : [`STATUS=${now.status}`]),
    ];
    if (assignments.length > 0 && tell(assignments)) told = now;
  }

  function words(phase: Phase): readonly string[] {
    switch (phase) {
      case 'starting':
        return [];
      case 'ready':
        return ['READY=1'];
      case 'reloading':
        // For a unit of Type=notify-reload as well.
        return ['RELOADING=1', `MONOTONIC_USEC=${monotonic()}`];
      case 'stopping':
        return ['STOPPING=1'];
    }
  }

  function every(period: Millis, action: () => void): void {
    const index = timers.length;
    const wait = () => {
      timers[index] = clock.at(plus(clock.now(), period), () => {
        action();
        if (!isOver) wait();
      });
    };
    wait();
  }

  function close(): void {
    isOver = true;
    for (const timer of timers.splice(0)) timer[Symbol.dispose]();
  }

  /** Nothing comes after the way down. */
  function enter(next: Phase): void {
    if (phase === 'stopping' || isSilent) return;
    phase = next;
    catchUp();
  }

  return {
    ready() {
      enter('ready');
      every(lookInterval, catchUp);
      if (watchdog === undefined) return;
      every(millis(watchdog / 2), () => {
        if (live()) tell(['WATCHDOG=1']);
      });
    },
    async whileReloading(work) {
      if (phase === 'starting') return work();
      reloads++;
      enter('reloading');
      try {
        return await work();
      } finally {
        if (--reloads === 0) enter('ready');
      }
    },
    stopping: () => enter('stopping'),
    handedOver(to) {
      tell([`MAINPID=${to}`]);
      isSilent = true;
      close();
    },
    [Symbol.dispose]: close,
  };
}
