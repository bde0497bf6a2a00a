import type { Lifetime, Link, Network, NetworkChange, PacketSockets } from '../kernel/ports.js';
import { hostPrefix, type Ip } from '../net/ip.js';
import type { Mac } from '../net/mac.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Instant, type Millis, millis, plus } from '../time/instant.js';
import type { DataPath } from './data-path.js';
import type { Bequest, Election } from './election.js';
import type { Leadership } from './leadership.js';
import { stepVip } from './machine.js';
import type { AnnouncementForm, Heard } from './neighbour-protocol.js';
import { createSpeaker, type Speaker } from './speaker.js';
import {
  initialVip,
  isHeld,
  nextVipDeadline,
  type VipConfig,
  type VipEffect,
  type VipEvent,
  type VipState,
} from './state.js';

export interface VipObserver {
  announced(form: AnnouncementForm): void;
  conflict(): void;
  /** From the election's word to the first announcement. */
  takeover(took: Millis): void;
  /** The VIP is on this node, announced and balanced, or is so no more, and why. */
  serves(serves: boolean, because: string): void;
}

export interface VipDriver {
  /** @param bequest what an earlier process of this node ceded, whose address is still here */
  start(bequest?: Bequest): void;
  /** A change of addresses or links on this host. */
  network(change: NetworkChange): void;
  /** Announces and refreshes by other settings from the next time on. */
  configure(config: VipConfig): void;
  /** Gives the VIP up and away. */
  stop(): Promise<void>;
  /**
   * Says nothing any more, does nothing any more, and takes nothing away: another process of this node is to go on. Resolves with what it
   * may go on with; undefined when this node does not serve the VIP. Only `stop` may follow, when nobody went on: it takes away what is here.
   */
  cede(): Promise<Bequest | undefined>;
  view(): {
    readonly leadership: Leadership;
    readonly state: VipState;
    readonly since: Date;
    readonly link: Link;
    /** Who else says that he has the address, while this node has it; undefined when that was not lately. */
    readonly claimant: Mac | undefined;
  };
}

/** Longer than the pause between two announcements. */
const alarmLasts = millis(10_000);
/** A decision older than this when it is carried out was made before a pause. */
const stalled = millis(200);

/** One VIP on one interface: its addresses, its announcements, its data path, as the election says. */
export function createVipDriver(parts: {
  readonly ips: readonly Ip[];
  readonly link: Link;
  readonly config: VipConfig;
  readonly election: Election;
  readonly network: Network;
  readonly packets: PacketSockets;
  readonly dataPath: DataPath;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: VipObserver;
}): VipDriver {
  const { election, network, clock, log, observer, dataPath, ips } = parts;
  let link = parts.link;
  let state = initialVip(parts.config, link.up, clock.now());
  let leadership: Leadership = {
    role: 'follower',
    leader: undefined,
    because: 'starting',
    authority: { kind: 'none' },
  };
  let since = clock.wall();
  let decidedAt: Instant | undefined;
  let timer: Disposable | undefined;
  let lastConflict: Instant | undefined;
  /** Who answered for the address since this node began to ask for it. */
  let answering: { readonly address: Ip; readonly mac: Mac } | undefined;
  let claim: { readonly mac: Mac; readonly at: Instant } | undefined;
  let dataPathWork = Promise.resolve();
  const speaker: Speaker = createSpeaker({
    sockets: parts.packets,
    clock,
    log,
    link,
    ips,
    onHeard: heard,
    onAnnounced: (form) => observer.announced(form),
  });

  const queue: VipEvent[] = [];
  let feeding = false;
  let hasCeded = false;
  let steppedAt = clock.now();

  /** Events that an effect brings about wait until all effects of the step are performed. */
  function feed(event: VipEvent): void {
    if (hasCeded) return;
    queue.push(event);
    if (feeding) return;
    feeding = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    } finally {
      feeding = false;
    }
    timer?.[Symbol.dispose]();
    const deadline = nextVipDeadline(state);
    // A deadline that passed without an effect waits for the election's next word, which comes with its heartbeat.
    if (deadline !== undefined && deadline > steppedAt) timer = clock.at(deadline, () => feed({ kind: 'tick' }));
  }

  function step(event: VipEvent): void {
    const before = state;
    const is = election.leadership();
    if (is.role !== leadership.role) since = clock.wall();
    leadership = is;
    const now = clock.now();
    steppedAt = now;
    const stepped = stepVip(state, event, is.authority, now);
    state = stepped.state;
    for (const effect of stepped.effects) perform(effect, now);
    report(before);
  }

  function report(before: VipState): void {
    if (before.stage.kind !== state.stage.kind) {
      const because = state.fault ?? leadership.because;
      log.info('vip', { from: before.stage.kind, to: state.stage.kind, because });
      if (before.stage.kind === 'off') decidedAt = clock.now();
      observer.serves(state.stage.kind === 'serving', because);
    }
    if (before.fault !== state.fault) log.warn('fault', { from: before.fault ?? 'none', to: state.fault ?? 'none' });
  }

  function perform(effect: VipEffect, decided: Instant): void {
    const stale = clock.now() > plus(decided, stalled);
    switch (effect.kind) {
      case 'probe':
        return speaker.probe();
      case 'overrule':
        if (stale) return;
        observer.conflict();
        return log.warn('the address is taken although another host answers for it: it has had its time', answering);
      case 'announce':
        if (stale) return;
        speaker.announce();
        if (decidedAt !== undefined) observer.takeover((clock.now() - decidedAt) as Millis);
        decidedAt = undefined;
        return;
      case 'put':
        if (stale) return feed({ kind: 'done', operation: effect.operation, result: 'stale' });
        return finish(effect.operation, Promise.all(ips.map((ip) => put(ip, effect.lifetime))));
      case 'remove':
        return finish(effect.operation, Promise.all(ips.map((ip) => network.removeAddress(place(ip)))));
      case 'open':
      case 'close':
        // In the order asked for: a close never overtakes the open before it.
        dataPathWork = dataPathWork.catch(() => {}).then(() => dataPath[effect.kind]());
        return finish(effect.operation, dataPathWork);
      case 'reset':
        return finish(effect.operation, dataPath.reset());
      case 'able':
        return election.able(effect.able);
      case 'address':
        answering = undefined;
        return election.address(effect.on);
      case 'claimed':
        return election.claimed();
      case 'unclaimed':
        return election.unclaimed();
    }
  }

  /** Alone in its prefix, whatever subnet it is in: the kernel then never takes it for the node's own (scope host). */
  function place(ip: Ip): { readonly ip: Ip; readonly prefixLength: number; readonly link: number } {
    return { ip, prefixLength: hostPrefix(ip), link: link.index };
  }

  function put(ip: Ip, lifetime: Lifetime): Promise<void> {
    // Not by `place` and a spread: V8 makes a hidden class for what follows one, each time anew, and refreshes go on for ever.
    return network.putAddress({ ip, prefixLength: hostPrefix(ip), link: link.index, lifetime });
  }

  function finish(operation: number, work: Promise<unknown>): void {
    work.then(
      () => feed({ kind: 'done', operation, result: 'ok' }),
      (error: unknown) => {
        log.error('operation refused', { because: error instanceof Error ? error.message : String(error) });
        feed({ kind: 'done', operation, result: 'refused' });
      },
    );
  }

  function heard(what: Heard): void {
    // Who was relieved expects the claim, and may hear of it first.
    if (what.kind === 'claim' && isHeld(state) && election.leadership().role === 'leader') {
      observer.conflict();
      const now = clock.now();
      claim = { mac: what.mac, at: now };
      if (lastConflict === undefined || now >= plus(lastConflict, millis(1000))) {
        lastConflict = now;
        log.warn('conflict: another host claims the VIP', { address: what.ip, mac: what.mac });
      }
    }
    if (what.kind === 'claim' && state.stage.kind === 'probing') {
      const isNew = answering?.mac !== what.mac;
      answering = { address: what.ip, mac: what.mac };
      if (isNew) log.info('another host answers for the address: it is waited for', answering);
    }
    feed({ kind: 'heard', what: what.kind });
  }

  function linkChanged(changed: Link): void {
    const macChanged = changed.mac !== link.mac;
    link = changed;
    speaker.link(changed);
    feed({ kind: 'link', up: changed.up });
    if (macChanged) feed({ kind: 'mac-changed' });
  }

  function addressRemoved(ip: Ip): void {
    if (state.stage.kind === 'serving')
      log.warn('the address is gone from the interface', { address: ip, interface: link.name });
    feed({ kind: 'address-removed' });
  }

  async function resynchronise(): Promise<void> {
    const [links, present] = await Promise.all([network.links(), network.addresses()]);
    const now = links.find((l) => l.name === link.name);
    linkChanged(now ?? { ...link, up: false });
    const missing = ips.some((ip) => !present.some((p) => p.ip === ip && p.link === link.index));
    if (missing) feed({ kind: 'address-removed' });
  }

  function close(): void {
    timer?.[Symbol.dispose]();
    speaker[Symbol.dispose]();
  }

  /** What was ceded and not gone on with. */
  async function abandon(): Promise<void> {
    if (!isHeld(state)) return election.stop();
    const steps = [
      () => dataPath.reset(),
      () => Promise.all(ips.map((ip) => network.removeAddress(place(ip)))),
      () => dataPath.close(),
    ];
    for (const step of steps) await step().catch((error: unknown) => log.error('not given up', { because: error }));
    state = { ...state, stage: { kind: 'off' } };
    await election.stop();
  }

  return {
    start(bequest) {
      // Before the election says a word, which decides what becomes of the address.
      if (bequest !== undefined) state = { ...state, isInherited: true };
      election.start(
        () => feed({ kind: 'tick' }),
        () => feed({ kind: 'contested' }),
        bequest,
      );
      if (bequest !== undefined) election.address(true);
      feed({ kind: 'tick' });
    },
    network(change) {
      switch (change.kind) {
        case 'address-removed':
          if (change.link === link.index && ips.includes(change.ip)) addressRemoved(change.ip);
          return;
        case 'link':
          // By name: an interface that is made anew has another index.
          if (change.link.name === link.name) linkChanged(change.link);
          return;
        case 'link-removed':
          if (change.index === link.index) linkChanged({ ...link, up: false });
          return;
        case 'overrun':
          void resynchronise().catch((error: unknown) =>
            log.error('cannot list addresses', { because: String(error) }),
          );
          return;
        case 'address-added':
          return;
      }
    },
    configure(config) {
      state = { ...state, config };
    },
    async cede() {
      const bequest = await election.cede();
      hasCeded = true;
      close();
      return state.stage.kind === 'serving' ? bequest : undefined;
    },
    async stop() {
      if (hasCeded) return abandon();
      await election.stop();
      close();
    },
    view() {
      const isRecent = claim !== undefined && isHeld(state) && clock.now() < plus(claim.at, alarmLasts);
      return { leadership, state, since, link, claimant: isRecent ? claim?.mac : undefined };
    },
  };
}
