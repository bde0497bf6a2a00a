import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../src/net/ip.js';
import { type Instant, millis } from '../../src/time/instant.js';
import { random, type Seed } from '../../src/time/random.js';
import { downInterval, type VrrpConfig } from '../../src/vrrp/config.js';
import { nextVrrpDeadline, stepVrrp } from '../../src/vrrp/machine.js';
import { initialVrrp, type VrrpEffect, type VrrpEvent, type VrrpState } from '../../src/vrrp/state.js';
import { vrrpConfig } from '../fakes/vrrp-config.js';

/**
 * Routers on one LAN in one thread: the machines as they are, one clock. What happens to a router (paused, killed, cut off, restarted)
 * is done by the scenario; what a paused one was sent waits in its queue and is told before its next tick, as its driver does.
 */
interface Router {
  readonly config: VrrpConfig;
  readonly ip: Ip;
  state: VrrpState;
  alive: boolean;
  pausedUntil: number;
  cut: boolean;
  readonly queue: VrrpEvent[];
}

const longestTrip = 2;

function simulate(seed: number, configs: readonly Partial<VrrpConfig>[]) {
  let draws = seed as Seed;
  let time = 1000;
  let order = 0;
  let loss = 0;
  let agenda: { at: number; order: number; action: () => void }[] = [];
  /** Since when more than one router that is not cut off acts as master. */
  let splitSince: number | undefined;
  let longestSplit = 0;
  const transcript: string[] = [];
  const routers: Router[] = configs.map((differences, i) => {
    const config: VrrpConfig = { ...vrrpConfig, advertInterval: millis(100), ...differences };
    const ip = `192.0.2.${i + 1}` as Ip;
    return { config, ip, state: initialVrrp(config, true), alive: true, pausedUntil: 0, cut: false, queue: [] };
  });

  function draw(): number {
    const drawn = random(draws);
    draws = drawn.seed;
    return drawn.value;
  }

  function later(delay: number, action: () => void): void {
    agenda.push({ at: time + delay, order: order++, action });
  }

  const runs = (router: Router) => router.alive && time >= router.pausedUntil;

  function tell(router: Router, event: VrrpEvent): void {
    const was = router.state;
    const stepped = stepVrrp(was, event, time as Instant);
    router.state = stepped.state;
    const is = router.state;
    if (was.role.kind !== is.role.kind || was.because !== is.because) {
      transcript.push(`${time - 1000} ${router.ip} ${is.role.kind} ${is.because}`);
    }
    for (const effect of stepped.effects) perform(router, effect);
    // The VIP follows at once.
    const on =
      is.role.kind === 'master' ||
      (is.role.kind === 'backup' && (is.role.isDoubting || is.role.lingersUntil !== undefined));
    if (on !== router.state.addressOn) tell(router, { kind: 'address', on });
  }

  function perform(router: Router, effect: VrrpEffect): void {
    if (effect.kind !== 'advertise') return;
    tell(router, { kind: 'sent' });
    if (router.cut) return;
    const { advertInterval: interval } = router.config;
    const event = { kind: 'heard', source: router.ip, isMain: true, priority: effect.priority, interval } as const;
    for (const other of routers) {
      if (other === router || draw() < loss) continue;
      later(draw() * longestTrip, () => {
        if (other.cut || !other.alive) return;
        if (runs(other)) tell(other, event);
        else if (other.queue.length < 300) other.queue.push(event);
      });
    }
  }

  function begin(router: Router): void {
    router.state = initialVrrp(router.config, true);
    tell(router, { kind: 'source', source: router.ip });
    tell(router, { kind: 'fault', fault: undefined });
    tell(router, { kind: 'start' });
  }

  function wake(router: Router): number {
    if (!router.alive) return Number.POSITIVE_INFINITY;
    const deadline = nextVrrpDeadline(router.state) ?? Number.POSITIVE_INFINITY;
    const due = router.queue.length > 0 ? router.pausedUntil : deadline;
    // Timers fire up to a millisecond late.
    return Math.max(due, router.pausedUntil);
  }

  function look(router: Router): void {
    for (let event = router.queue.shift(); event !== undefined; event = router.queue.shift()) tell(router, event);
    tell(router, { kind: 'tick' });
  }

  const masters = () => routers.filter((router) => runs(router) && router.state.role.kind === 'master');

  function watch(): void {
    const isSplit = masters().filter((router) => !router.cut).length > 1;
    if (isSplit && splitSince === undefined) splitSince = time;
    if (splitSince !== undefined) longestSplit = Math.max(longestSplit, time - splitSince);
    if (!isSplit) splitSince = undefined;
  }

  const simulation = {
    routers,
    transcript,
    draw,
    masters,
    later,
    setLoss(value: number) {
      loss = value;
    },
    /** The longest time with two masters since this was last asked. */
    longestSplit() {
      const longest = longestSplit;
      longestSplit = 0;
      return longest;
    },
    pause(router: Router, ms: number) {
      router.pausedUntil = time + ms;
    },
    kill(router: Router) {
      router.alive = false;
      router.queue.length = 0;
    },
    restart(router: Router) {
      if (router.alive) return;
      router.alive = true;
      router.pausedUntil = 0;
      begin(router);
    },
    tell,
    run(ms: number) {
      const end = time + ms;
      for (;;) {
        agenda.sort((a, b) => a.at - b.at || a.order - b.order);
        const first = agenda[0];
        const next = Math.min(first?.at ?? Number.POSITIVE_INFINITY, ...routers.map(wake));
        if (next > end) break;
        time = Math.max(time, next);
        if (first !== undefined && first.at <= next) {
          agenda = agenda.slice(1);
          first.action();
        } else {
          for (const router of routers) if (wake(router) <= time) look(router);
        }
        watch();
      }
      time = end;
      watch();
    },
  };
  for (const router of routers) later(draw() * 200, () => begin(router));
  return simulation;
}

const slowest = downInterval(3, 1, millis(100));

function soleMaster(simulation: ReturnType<typeof simulate>): Router {
  const [master, ...others] = simulation.masters();
  assert.ok(master !== undefined && others.length === 0, simulation.transcript.join('\n'));
  return master;
}

test('of three the highest priority leads; when it dies the next one does, and it leads again when it is back', () => {
  const simulation = simulate(1, [{ priority: 90 }, { priority: 101 }, { priority: 100 }]);
  const [, first, second] = simulation.routers as [Router, Router, Router];
  simulation.run(2000);
  assert.equal(soleMaster(simulation), first);
  simulation.kill(first);
  simulation.run(slowest);
  assert.equal(soleMaster(simulation), second);
  simulation.restart(first);
  simulation.run(slowest);
  assert.equal(soleMaster(simulation), first);
  assert.ok(simulation.longestSplit() <= longestTrip);
});

test('who does not preempt leaves the VIP where it is', () => {
  const simulation = simulate(2, [{ priority: 100 }, { priority: 150, preempt: false }]);
  const [low, high] = simulation.routers as [Router, Router];
  simulation.run(1000);
  simulation.kill(high);
  simulation.run(slowest);
  assert.equal(soleMaster(simulation), low);
  simulation.restart(high);
  simulation.run(60_000);
  assert.equal(soleMaster(simulation), low);
});

test('a master that stops is relieved, and the VIP is never without a holder', () => {
  const simulation = simulate(3, [{ priority: 150 }, { priority: 100 }]);
  const [first, second] = simulation.routers as [Router, Router];
  simulation.run(1000);
  simulation.tell(first, { kind: 'stop' });
  const holders = () => simulation.routers.filter(({ state }) => state.addressOn).length;
  for (let i = 0; i < 400; i++) {
    simulation.run(1);
    assert.ok(holders() >= 1);
  }
  assert.equal(soleMaster(simulation), second);
  assert.ok(simulation.longestSplit() <= longestTrip);
});

test('where nobody preempts, a master that stops hands over within the skew time, address off first', () => {
  const simulation = simulate(3, [{ priority: 150 }, { priority: 100, preempt: false }]);
  const [first, second] = simulation.routers as [Router, Router];
  simulation.run(1000);
  assert.equal(soleMaster(simulation), first);
  simulation.longestSplit();
  simulation.tell(first, { kind: 'stop' });
  simulation.run(600 + 65);
  assert.equal(soleMaster(simulation), second);
  assert.equal(simulation.longestSplit(), 0);
});

test('a master that was paused sends nothing before it has read its queue', () => {
  const simulation = simulate(4, [{ priority: 150 }, { priority: 100 }]);
  const [first, second] = simulation.routers as [Router, Router];
  simulation.run(1000);
  simulation.pause(first, 5000);
  simulation.run(4999);
  assert.equal(soleMaster(simulation), second);
  simulation.longestSplit();
  simulation.run(50);
  assert.equal(soleMaster(simulation), second);
  assert.equal(first.state.role.kind, 'backup');
  // Then it preempts as any other.
  simulation.run(slowest);
  assert.equal(soleMaster(simulation), first);
  assert.ok(simulation.longestSplit() <= longestTrip);
});

/** Whatever may happen to routers, at random. */
function harass(simulation: ReturnType<typeof simulate>): void {
  const { routers, draw } = simulation;
  const router = routers[Math.floor(draw() * routers.length)] as Router;
  const kind = Math.floor(draw() * 6);
  if (kind === 0) simulation.pause(router, draw() * 3000);
  else if (kind === 1) simulation.kill(router);
  else if (kind === 2) simulation.restart(router);
  else if (kind === 3)
    simulation.tell(router, { kind: 'tracked', priority: Math.ceil(draw() * 254), mayPreempt: draw() < 0.7 });
  else if (kind === 4) {
    router.cut = true;
    simulation.later(draw() * 2000, () => {
      router.cut = false;
    });
  } else simulation.setLoss(draw() < 0.5 ? 0 : draw() * 0.5);
}

test('a thousand stories of pauses, deaths, cuts and loss: in peace there is one master, and never two for longer than one advertisement', () => {
  for (let seed = 0; seed < 1000; seed++) {
    const version = seed % 4 === 0 ? 2 : 3;
    const advertInterval = millis(version === 2 ? 1000 : ([10, 100, 1000][seed % 3] as number));
    const count = 2 + (seed % 4);
    const configs = Array.from({ length: count }, (_, i) => ({
      version,
      advertInterval,
      priority: seed % 5 === 0 ? 100 : 1 + ((seed * 31 + i * 97) % 254),
      preempt: (seed + i) % 7 !== 0,
      preemptDelay: millis(seed % 11 === 0 ? 500 : 0),
    })) satisfies readonly Partial<VrrpConfig>[];
    const simulation = simulate(seed, configs);
    for (let round = 0; round < 12; round++) {
      harass(simulation);
      simulation.run(simulation.draw() * 4 * advertInterval);
    }
    // Peace: all connected, nobody paused. Who thinks that he leads has spoken once, and been heard.
    simulation.setLoss(0);
    for (const router of simulation.routers) {
      router.cut = false;
      simulation.restart(router);
    }
    simulation.run(3000 + advertInterval + longestTrip);
    simulation.longestSplit();
    simulation.run(3 * downInterval(version, 1, advertInterval) + 3000);
    const split = simulation.longestSplit();
    assert.ok(
      split <= longestTrip,
      `seed ${seed}: two masters for ${split} ms in peace\n${simulation.transcript.join('\n')}`,
    );
    assert.equal(simulation.masters().length, 1, `seed ${seed}\n${simulation.transcript.join('\n')}`);
  }
});

test('when a partition heals, two masters last for one advertisement at most', () => {
  for (let seed = 0; seed < 300; seed++) {
    const priority = seed % 2 === 0 ? 100 : 150;
    const simulation = simulate(seed, [{ priority: 100 }, { priority }, { priority: 50 }]);
    const cut = simulation.routers[seed % 3] as Router;
    simulation.run(1000);
    cut.cut = true;
    simulation.run(1000 + simulation.draw() * 100);
    simulation.longestSplit();
    cut.cut = false;
    simulation.run(2000);
    const split = simulation.longestSplit();
    assert.ok(split <= 100 + longestTrip, `seed ${seed}: ${split} ms\n${simulation.transcript.join('\n')}`);
    soleMaster(simulation);
  }
});
