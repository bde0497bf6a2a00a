import type { Log } from '../telemetry/log.js';
import { createWatchLog } from '../telemetry/watch-log.js';
import type { Clock } from '../time/clock.js';
import type { Millis } from '../time/instant.js';
import type { Seed } from '../time/random.js';
import type { Election } from '../vip/election.js';
import type { LeaseAnswer, LeaseApi, LeaseWatchEvent } from './api.js';
import { leadershipOf, nextLeaseDeadline, stepLease } from './machine.js';
import {
  bequestOf,
  inheritLease,
  initialLease,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseState,
} from './state.js';

export interface LeaseObserver {
  /** A request was answered. */
  request(purpose: 'read' | 'acquire' | 'renew' | 'release', result: string, took: Millis): void;
  /** The Lease has another holder than before. */
  transition(): void;
}

/** The election by one Lease: feeds the machine with the clock, the watch and the API's answers, and does what it asks. */
export function createLeaseElection(parts: {
  readonly api: LeaseApi;
  readonly clock: Clock;
  readonly config: LeaseConfig;
  readonly seed: Seed;
  readonly log: Log;
  readonly observer: LeaseObserver;
}): Election & { state(): LeaseState } {
  const { api, clock, config, log, observer } = parts;
  let state = initialLease(config, clock.now(), clock.wall(), parts.seed);
  let changed: () => void = () => {};
  let timer: Disposable | undefined;
  let watch: Disposable | undefined;
  let started = false;
  let complained: string | undefined;
  const watchLog = createWatchLog('lease', log);
  let reported = leadershipOf(state, clock.now());
  let onStopped: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    onStopped = resolve;
  });

  function step(event: LeaseEvent): void {
    const stepped = stepLease(state, event, clock.now(), clock.wall());
    state = stepped.state;
    for (const effect of stepped.effects) perform(effect);
  }

  function feed(event: LeaseEvent): void {
    step(event);
    timer?.[Symbol.dispose]();
    const deadline = nextLeaseDeadline(state);
    timer = deadline === undefined || !started ? undefined : clock.at(deadline, () => feed({ kind: 'tick' }));
    report();
  }

  function report(): void {
    const was = reported;
    const is = leadershipOf(state, state.lastStep.now);
    reported = is;
    const holderChanged = was.leader !== is.leader;
    if (holderChanged && is.leader !== undefined) observer.transition();
    if (was.role !== is.role || was.because !== is.because || holderChanged) {
      if (is.because === 'held-by-namesake' && was.because !== is.because) {
        log.error(`another vipd calls itself ${config.identity}; give every node its own node.name`);
      }
      log.info('leadership', { from: was.role, to: is.role, because: is.because, leader: is.leader });
    }
    changed();
  }

  function perform(effect: LeaseEffect): void {
    if (effect.kind === 'stopped') {
      watch?.[Symbol.dispose]();
      onStopped();
      return;
    }
    const startedAt = clock.now();
    const purpose = effect.kind === 'read' ? 'read' : effect.purpose;
    void send(effect).then((answer) => {
      const took = (clock.now() - startedAt) as Millis;
      observer.request(purpose, answer.ok ? 'ok' : answer.refusal, took);
      if (!answer.ok) {
        const expected = answer.refusal === 'conflict' || answer.refusal === 'absent';
        const complaint = `${answer.refusal}: ${answer.detail}`;
        // Once, not with every attempt: an outage is long.
        const level = expected || complaint === complained ? 'debug' : 'warn';
        if (!expected) complained = complaint;
        log[level]('lease request refused', { purpose, because: answer.refusal, detail: answer.detail });
      } else {
        complained = undefined;
      }
      feed({ kind: 'answered', request: effect.request, answer });
    });
  }

  function send(effect: Exclude<LeaseEffect, { kind: 'stopped' }>): Promise<LeaseAnswer> {
    if (effect.kind === 'read') return api.read(effect.timeout);
    const { base, record, timeout } = effect;
    return base === undefined ? api.create(record, timeout) : api.update(base, record, timeout);
  }

  function watched(event: LeaseWatchEvent): void {
    if (event.kind === 'interrupted') {
      watchLog.interrupted(event);
    } else {
      watchLog.answered();
      feed(event);
    }
  }

  return {
    start(onChange, _onContested, bequest) {
      changed = onChange;
      started = true;
      if (bequest !== undefined) state = inheritLease(state, bequest, clock.now(), clock.wall());
      watch = api.watch(watched);
      feed({ kind: 'tick' });
    },
    leadership() {
      if (started && !state.stopped) step({ kind: 'tick' });
      return leadershipOf(state, state.lastStep.now);
    },
    claimed: () => feed({ kind: 'claimed' }),
    unclaimed: () => feed({ kind: 'unclaimed' }),
    able: (able) => feed({ kind: 'able', able }),
    address: (on) => feed({ kind: 'address', on }),
    async cede() {
      if (!started) return undefined;
      feed({ kind: 'cede' });
      await stopped;
      timer?.[Symbol.dispose]();
      return bequestOf(state);
    },
    stop() {
      if (!started || state.stopped) return Promise.resolve();
      feed({ kind: 'stop' });
      return stopped;
    },
    state: () => state,
  };
}
