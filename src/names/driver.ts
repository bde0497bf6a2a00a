import type { Resolver } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import { initialName, type NameConfig, type NameEvent, type NameState, stepName } from './machine.js';

/** The DNS names of one VIP. */
export interface Names extends Disposable {
  /** Begins to look up; `onChange` is called whenever `addresses` gives something else. */
  start(onChange: () => void): void;
  /** The addresses of all names, in their order; undefined while one of them has none yet. */
  addresses(): readonly Ip[] | undefined;
}

/** Follows names on timers of its own. */
export function createNames(parts: {
  readonly names: readonly string[];
  readonly config: NameConfig;
  /** How long a look-up may take before it is told of; it goes on. */
  readonly patience: Millis;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Log;
}): Names {
  let changed = () => {};
  const followed = parts.names.map((name) => follow(name, parts, () => changed()));
  return {
    start(onChange) {
      changed = onChange;
      for (const one of followed) one.start();
    },
    addresses() {
      const known = followed.map((one) => one.addresses());
      return known.includes(undefined) ? undefined : [...new Set(known.flatMap((ips) => ips ?? []))];
    },
    [Symbol.dispose]() {
      for (const one of followed) one[Symbol.dispose]();
    },
  };
}

type Parts = Parameters<typeof createNames>[0];

function follow(name: string, { config, patience, resolver, clock, log }: Parts, changed: () => void) {
  let state: NameState = initialName(config, clock.now());
  let timer: Disposable | undefined;
  let isDisposed = false;

  function feed(event: NameEvent): void {
    if (isDisposed) return;
    const before = state;
    const stepped = stepName(before, event, clock.now());
    state = stepped.state;
    report(before);
    for (const effect of stepped.effects) {
      if (effect.kind === 'ask') void ask();
      else changed();
    }
    timer?.[Symbol.dispose]();
    if (state.nextAt !== undefined) timer = clock.at(state.nextAt, () => feed({ kind: 'tick' }));
  }

  async function ask(): Promise<void> {
    const slow = clock.at(plus(clock.now(), patience), () => feed({ kind: 'slow' }));
    const answer = await resolver.lookup(name);
    slow[Symbol.dispose]();
    feed(answer.ok ? { kind: 'answered', ips: answer.ips } : { kind: 'failed', because: answer.code });
  }

  function report(before: NameState): void {
    const { addresses, candidate, trouble } = state;
    if (addresses !== before.addresses)
      log.info('name', { name, from: before.addresses?.join(' ') ?? 'none', to: addresses?.join(' ') });
    if (candidate !== undefined && candidate.join() !== before.candidate?.join() && state.unsettled === undefined)
      log.info('the name has another address; looking again', { name, address: candidate.join(' ') });
    reportUnrest(before);
    if (trouble === before.trouble) return;
    if (trouble === undefined) return log.info('the name is answered again', { name });
    // Once, not with every look-up: an outage is long.
    const keeps = addresses === undefined ? 'the VIP waits' : 'what is in use stays';
    log.warn('the name has no answer', { name, because: trouble, and: keeps });
  }

  /** Once, not with every answer. */
  function reportUnrest(before: NameState): void {
    const isUnsettled = state.unsettled?.told ?? false;
    if (isUnsettled === (before.unsettled?.told ?? false)) return;
    if (!isUnsettled) return log.info('the name has settled', { name, address: state.addresses?.join(' ') });
    log.warn('the name does not settle; the VIP follows it ever more slowly', {
      name,
      inUse: state.addresses?.join(' '),
      answered: state.candidate?.join(' '),
    });
  }

  return {
    start: () => feed({ kind: 'tick' }),
    addresses: () => state.addresses,
    [Symbol.dispose]() {
      isDisposed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
