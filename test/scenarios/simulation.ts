import type { LeaseAnswer, LeaseWatchEvent } from '../../src/lease/api.js';
import { leadershipOf, nextLeaseDeadline, stepLease } from '../../src/lease/machine.js';
import type { LeaseRecord, ObservedLease } from '../../src/lease/record.js';
import {
  bequestOf,
  inheritLease,
  initialLease,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseState,
} from '../../src/lease/state.js';
import { type Instant, millis } from '../../src/time/instant.js';
import { random, type Seed } from '../../src/time/random.js';
import { stepVip } from '../../src/vip/machine.js';
import { initialVip, nextVipDeadline, type VipEffect, type VipEvent, type VipState } from '../../src/vip/state.js';

/**
 * A cluster in one thread: the machines of every node as they are, one Lease in one API, one LAN, one clock. What happens to a
 * node (paused, killed, cut from the API) is done by the scenario; the kernel of a paused or killed node lives on.
 */
export interface Node {
  readonly name: string;
  lease: LeaseState;
  vip: VipState;
  /** The kernel's side: until when the address is on the interface. */
  addressUntil: number;
  alive: boolean;
  pausedUntil: number;
  /** Cut from the API until then; requests are neither taken nor answered. */
  cutUntil: number;
  announcements: number;
  putsAndAnnouncements: number[];
}

export interface Simulation {
  readonly nodes: readonly Node[];
  readonly transcript: string[];
  /** Round trip of the API in ms; a function of the seed is drawn per request between the two. */
  latency: readonly [number, number];
  now(): number;
  /** Runs for so many ms; throws when the address is on two nodes at once. */
  run(ms: number): void;
  at(ms: number, action: () => void): void;
  holders(): readonly Node[];
  lease(): LeaseRecord | undefined;
  /** Another client writes the Lease, or deletes it. */
  write(record: LeaseRecord | undefined): void;
  pause(node: Node, ms: number): void;
  kill(node: Node): void;
  revive(node: Node): void;
  /** Another process goes on in place of the node's own, which needs so many ms to begin. */
  handOver(node: Node, ms: number): void;
  tell(node: Node, event: LeaseEvent): void;
  hear(node: Node, event: VipEvent): void;
  random(): number;
}

export function simulate(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly config?: Partial<LeaseConfig>;
  /** cp1, cp2, … where not given. */
  readonly names?: readonly string[];
}): Simulation {
  let seed = options.seed as Seed;
  let time = 1000;
  let order = 0;
  let made = 0;
  let agenda: { at: number; order: number; action: () => void }[] = [];
  let stored: ObservedLease | undefined;
  let version = 100;
  const transcript: string[] = [];
  const wall = () => new Date(Date.UTC(2024, 0, 1) + time);
  const nodes: Node[] = Array.from({ length: options.nodes }, (_, i) => ({
    name: options.names?.[i] ?? `cp${i + 1}`,
    ...machines(options.names?.[i] ?? `cp${i + 1}`),
    addressUntil: 0,
    alive: true,
    pausedUntil: 0,
    cutUntil: 0,
    announcements: 0,
    putsAndAnnouncements: [],
  }));

  function machines(identity: string): { lease: LeaseState; vip: VipState } {
    const config: LeaseConfig = {
      identity,
      duration: millis(5000),
      renewDeadline: millis(3000),
      retryPeriod: millis(1000),
      onApiLoss: 'hold',
      bootPatience: millis(6500),
      ...options.config,
    };
    const vip = {
      probeFirst: true,
      patience: millis(5500),
      deadManSwitch: millis(3000),
      announce: { burst: 5, interval: millis(3000) },
    };
    return {
      lease: initialLease(config, time as Instant, wall(), (seed + 7919 * ++made) as Seed),
      vip: initialVip(vip, true, time as Instant),
    };
  }

  function draw(): number {
    const drawn = random(seed);
    seed = drawn.seed;
    return drawn.value;
  }

  function later(delay: number, action: () => void): void {
    agenda.push({ at: time + delay, order: order++, action });
  }

  /** Hands something to a node's process: a paused one gets it when it wakes, a dead one never. */
  function deliver(node: Node, action: () => void): void {
    if (!node.alive) return;
    if (time < node.pausedUntil) later(node.pausedUntil - time, () => deliver(node, action));
    else action();
  }

  function stepElection(node: Node, event: LeaseEvent): void {
    const was = leadershipOf(node.lease, time as Instant);
    const stepped = stepLease(node.lease, event, time as Instant, wall());
    node.lease = stepped.state;
    const is = leadershipOf(node.lease, time as Instant);
    if (was.role !== is.role || was.because !== is.because)
      transcript.push(`${time - 1000} ${node.name} ${is.role} ${is.because}`);
    for (const effect of stepped.effects) ask(node, effect);
  }

  function tell(node: Node, event: LeaseEvent): void {
    stepElection(node, event);
    hear(node, { kind: 'tick' });
  }

  function ask(node: Node, effect: LeaseEffect): void {
    if (effect.kind === 'stopped') {
      transcript.push(`${time - 1000} ${node.name} stopped`);
      return;
    }
    const [low, high] = simulation.latency;
    const trip = low + draw() * (high - low);
    const answer = (given: LeaseAnswer) =>
      deliver(node, () => tell(node, { kind: 'answered', request: effect.request, answer: given }));
    const lost = () => later(effect.timeout - trip / 2, () => answer({ ok: false, refusal: 'timeout', detail: '' }));
    later(trip / 2, () => {
      if (time < node.cutUntil) return lost();
      const given = serve(effect);
      if (trip > effect.timeout) return lost();
      later(trip / 2, () => (time < node.cutUntil ? lost() : answer(given)));
    });
  }

  function serve(effect: Exclude<LeaseEffect, { kind: 'stopped' }>): LeaseAnswer {
    if (effect.kind === 'read') {
      return stored === undefined ? { ok: false, refusal: 'absent', detail: '' } : { ok: true, lease: stored };
    }
    const { base } = effect;
    if (base === undefined && stored !== undefined) return { ok: false, refusal: 'conflict', detail: '' };
    if (base !== undefined && stored === undefined) return { ok: false, refusal: 'absent', detail: '' };
    if (base?.resourceVersion !== stored?.resourceVersion) return { ok: false, refusal: 'conflict', detail: '' };
    return { ok: true, lease: store(effect.record) };
  }

  function store(record: LeaseRecord): ObservedLease {
    version++;
    stored = { record, resourceVersion: String(version), object: {} };
    publish({ kind: 'observed', lease: stored });
    return stored;
  }

  function publish(event: Exclude<LeaseWatchEvent, { kind: 'interrupted' }>): void {
    for (const node of nodes) {
      later(simulation.latency[0] / 2 + draw() * 5, () => {
        if (time >= node.cutUntil) deliver(node, () => tell(node, event));
      });
    }
  }

  function hear(node: Node, event: VipEvent): void {
    // As the VIP's driver does: the election looks at the clock first.
    stepElection(node, { kind: 'tick' });
    const { authority } = leadershipOf(node.lease, time as Instant);
    const stepped = stepVip(node.vip, event, authority, time as Instant);
    node.vip = stepped.state;
    for (const effect of stepped.effects) perform(node, effect);
  }

  function perform(node: Node, effect: VipEffect): void {
    const done = (operation: number) =>
      later(0.5, () => deliver(node, () => hear(node, { kind: 'done', operation, result: 'ok' })));
    const lan = (kind: 'claim' | 'probe') => {
      for (const other of nodes) {
        if (other !== node) later(1, () => deliver(other, () => hear(other, { kind: 'heard', what: kind })));
      }
    };
    switch (effect.kind) {
      case 'probe':
        lan('probe');
        for (const other of nodes) {
          if (other === node) continue;
          // The kernel answers, whatever its process does.
          later(1, () => {
            const replies = time < other.addressUntil;
            if (replies) later(1, () => deliver(node, () => hear(node, { kind: 'heard', what: 'claim' })));
          });
        }
        return;
      case 'put':
        node.putsAndAnnouncements.push(time);
        node.addressUntil = effect.lifetime === 'forever' ? Number.POSITIVE_INFINITY : time + effect.lifetime;
        done(effect.operation);
        if (effect.lifetime !== 'forever') {
          later(effect.lifetime, () => {
            if (time >= node.addressUntil) deliver(node, () => hear(node, { kind: 'address-removed' }));
          });
        }
        return;
      case 'remove':
        node.addressUntil = 0;
        return done(effect.operation);
      case 'reset':
      case 'open':
      case 'close':
        return done(effect.operation);
      case 'announce':
        node.putsAndAnnouncements.push(time);
        node.announcements++;
        return lan('claim');
      case 'able':
        return tell(node, { kind: 'able', able: effect.able });
      case 'address':
        return tell(node, { kind: 'address', on: effect.on });
      case 'claimed':
        return tell(node, { kind: 'claimed' });
      case 'unclaimed':
        return tell(node, { kind: 'unclaimed' });
    }
  }

  function holders(): readonly Node[] {
    return nodes.filter((node) => time < node.addressUntil);
  }

  function wake(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const node of nodes) {
      if (!node.alive) continue;
      for (const deadline of [nextLeaseDeadline(node.lease), nextVipDeadline(node.vip)]) {
        if (deadline !== undefined && deadline > time) next = Math.min(next, Math.max(deadline, node.pausedUntil));
      }
      if (time < node.pausedUntil) next = Math.min(next, node.pausedUntil);
    }
    return next;
  }

  const simulation: Simulation = {
    nodes,
    transcript,
    latency: [2, 10],
    now: () => time - 1000,
    run(ms) {
      const end = time + ms;
      for (;;) {
        agenda.sort((a, b) => a.at - b.at || a.order - b.order);
        const first = agenda[0];
        const timers = wake();
        const next = Math.min(first?.at ?? Number.POSITIVE_INFINITY, timers);
        if (next > end) break;
        time = next;
        if (first !== undefined && first.at <= next) {
          agenda = agenda.slice(1);
          first.action();
        }
        if (timers <= next) for (const node of nodes) deliver(node, () => tell(node, { kind: 'tick' }));
        const on = holders();
        if (on.length > 1) {
          throw new Error(`at ${time - 1000} ms the address is on ${on.map((n) => n.name)}\n${transcript.join('\n')}`);
        }
      }
      time = end;
    },
    at: later,
    holders,
    lease: () => stored?.record,
    write(record) {
      if (record !== undefined) store(record);
      else {
        stored = undefined;
        version++;
        publish({ kind: 'absent', resourceVersion: String(version) });
      }
    },
    pause(node, ms) {
      node.pausedUntil = time + ms;
    },
    kill(node) {
      node.alive = false;
    },
    revive(node) {
      Object.assign(node, machines(node.name), { alive: true, pausedUntil: 0, addressUntil: 0 });
      tell(node, { kind: 'tick' });
    },
    handOver(node, ms) {
      tell(node, { kind: 'cede' });
      const begin = () => {
        if (!node.lease.stopped) return later(1, begin);
        const bequest = bequestOf(node.lease);
        node.alive = false;
        later(ms, () => {
          Object.assign(node, machines(node.name), { alive: true });
          if (bequest === undefined) return tell(node, { kind: 'tick' });
          node.lease = inheritLease(node.lease, bequest, time as Instant, wall());
          node.vip = { ...node.vip, isInherited: true };
          tell(node, { kind: 'address', on: true });
        });
      };
      begin();
    },
    tell,
    hear,
    random: draw,
  };
  for (const node of nodes) later(draw() * 50, () => deliver(node, () => tell(node, { kind: 'tick' })));
  return simulation;
}
