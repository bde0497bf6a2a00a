import type { VipSettings } from './config/settings.js';
import type { Found, Ground } from './ground.js';
import type { NetworkChange } from './kernel/ports.js';
import { millis, plus } from './time/instant.js';
import type { VipStatus } from './vip/status.js';
import { createVip, logFor, offStatus, type Shared, type Vip } from './vip-parts.js';

/** Not all that a VIP can stand on is told of when it comes: a route, a port that becomes free. */
const retry = millis(5000);

/** What a VIP waits for that has no ground, in one word. */
type Waiting = 'starting' | 'refused' | (Found & { readonly ok: false })['because'];

/**
 * A VIP that waits, as a fault, while this host lacks what it needs, and is there as soon as the host has it.
 * @param parts.found what there was for it before. Throws KernelError when it cannot be made on that
 */
export function createStandingVip(
  first: VipSettings,
  parts: { readonly found: Found; readonly find: (vip: VipSettings) => Promise<Found>; readonly shared: Shared },
): Vip {
  const { find, shared } = parts;
  const { clock } = shared;
  const log = logFor(shared.log, first.name);
  let settings = first;
  let inner: Vip | undefined;
  let waiting: Waiting = 'starting';
  const since = clock.wall();
  let complaint: string | undefined;
  let started = false;
  let stopped = false;
  let timer: Disposable | undefined;
  /** One thing after the other. */
  let work: Promise<unknown> = Promise.resolve();
  let isDue = false;

  function stand({ link, because, ...ground }: Ground): Vip {
    log.info('interface', { interface: link.name, because });
    return createVip(settings, { link, because, ...ground }, shared);
  }

  /** Each reason once: an absence can be long. */
  function complain(because: Waiting, message: string): void {
    waiting = because;
    if (message !== complaint) log.warn('the VIP waits', { because, detail: message });
    complaint = message;
  }

  function look(): void {
    if (isDue || stopped) return;
    isDue = true;
    work = work.then(async () => {
      isDue = false;
      timer?.[Symbol.dispose]();
      if (stopped || inner !== undefined) return;
      try {
        await lookNow();
      } catch (error) {
        complain('refused', error instanceof Error ? error.message : String(error));
      }
      if (inner === undefined) timer = clock.at(plus(clock.now(), retry), look);
    });
  }

  async function lookNow(): Promise<void> {
    const found = await find(settings);
    if (stopped) return;
    if (!found.ok) return complain(found.because, found.message);
    inner = stand(found.ground);
    inner.start();
    // What changed since was told to nobody.
    inner.network({ kind: 'overrun' });
  }

  function waitingStatus(): VipStatus {
    return {
      name: settings.name,
      addresses: settings.addresses.map(({ ip }) => ip),
      interface: String(settings.interface ?? 'none'),
      role: 'fault',
      leader: undefined,
      since: since.toISOString(),
      because: waiting,
      held: false,
      loadBalancer: { ...offStatus, because: waiting },
    };
  }

  if (parts.found.ok) inner = stand(parts.found.ground);
  else complain(parts.found.because, parts.found.message);

  return {
    start() {
      started = true;
      if (inner === undefined) look();
      else inner.start();
    },
    network(change) {
      if (inner !== undefined) inner.network(change);
      else if (started && maySupply(change)) look();
    },
    async stop() {
      stopped = true;
      timer?.[Symbol.dispose]();
      await work;
      await inner?.stop();
    },
    get settings() {
      return settings;
    },
    async change(next) {
      const change = work.then(async () => {
        await inner?.change(next);
        settings = next;
      });
      work = change.catch(() => {});
      await change;
    },
    drain: (backend, drained) => inner?.drain(backend, drained) ?? false,
    async look() {
      await inner?.look();
    },
    reading() {
      if (inner !== undefined) return inner.reading();
      const { type, lease } = settings.election;
      return {
        status: waitingStatus(),
        lease: type === 'lease' ? { name: lease.name, ageSeconds: undefined } : undefined,
        traffic: undefined,
      };
    },
    troubles: () => inner?.troubles() ?? [`VIP ${settings.name}: ${waiting}`],
    dump: () => inner?.dump() ?? { ...waitingStatus() },
  };
}

/** Whether the host has more than before. */
function maySupply({ kind }: NetworkChange): boolean {
  return kind === 'link' || kind === 'address-added' || kind === 'overrun';
}
