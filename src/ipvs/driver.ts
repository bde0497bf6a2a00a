import { isDeepStrictEqual } from 'node:util';
import type { Endpoint, Flow, Flows, Ipvs, IpvsCommand, MasqueradedService, PresentService } from '../kernel/ports.js';
import type { Share } from '../kernel/shares.js';
import { endpoint, type Family, familyOf } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import type { DataPath } from '../vip/data-path.js';
import { farewell } from '../vip/data-plane.js';
import { planServices, type WantedService } from './plan.js';

export interface IpvsDriver extends DataPath {
  /**
   * The services from now on. What is no longer among them is removed, and so is what an earlier life has left under their names.
   * Resolves when the kernel has them, if the path is open.
   */
  set(services: readonly WantedService[]): Promise<void>;
  /** The services as they are in the kernel's table. */
  read(): Promise<readonly PresentService[]>;
  /** Settles when what was asked for is done, or has failed. */
  settled(): Promise<void>;
  /** What failed the last time and has not been mended. */
  trouble(): string | undefined;
}

/** What is done when the path closes, as the log says it when it fails. */
const takingAway = {
  services: 'IPVS services not removed',
  masquerade: 'masquerade not removed',
  settings: 'kernel settings not given back',
} as const;

type Removal = IpvsCommand & { readonly kind: 'remove-destination' | 'remove-service' };

/**
 * The services of one VIP in IPVS. Connections to a destination that is wanted no longer are reset; one that is to keep them is wanted
 * with weight 0. IPVS sends no news of its table, so it is looked at every `lookInterval` while the path is open,
 * and what others did to our services is mended.
 */
export function createIpvsDriver(parts: {
  readonly ipvs: Ipvs;
  readonly masquerade: Share<MasqueradedService>;
  readonly flows: Flows;
  readonly settings: { hold(family: Family): Promise<AsyncDisposable> };
  readonly lookInterval: Millis;
  readonly clock: Clock;
  readonly log: Log;
}): IpvsDriver {
  const { ipvs, masquerade, clock, log } = parts;
  const ours = new Map<string, Endpoint>();
  const holds = new Map<Family, AsyncDisposable>();
  let services: readonly WantedService[] = [];
  let isOpen = false;
  /** What is masqueraded; undefined when that, or a setting for it, could not be had. */
  let masqueraded: readonly MasqueradedService[] | undefined = [];
  const troubles = new Map<string, string>();
  let next: Disposable | undefined;
  let last: Promise<void> = Promise.resolve();

  /**
   * One thing at a time, in the order in which they were asked for. What fails is said in the log, and not again as long as it
   * fails for the same reason.
   */
  function inTurn(what: string, work: () => Promise<unknown>): Promise<void> {
    last = last.then(work).then(
      () => void troubles.delete(what),
      (error) => {
        if (troubles.get(what) !== String(error)) log.error(what, { because: error });
        troubles.set(what, String(error));
      },
    );
    return last;
  }

  async function present(): Promise<readonly PresentService[]> {
    const found = await Promise.all([...ours.values()].map((service) => ipvs.read(service)));
    return found.filter((service) => service !== undefined);
  }

  /** @returns the commands, and how many open connections were reset */
  async function apply(
    wanted: readonly WantedService[],
  ): Promise<{ readonly commands: readonly IpvsCommand[]; readonly ended: number }> {
    const commands = planServices(wanted, await present(), isOurs);
    const goes = commands.filter((c): c is Removal => c.kind === 'remove-destination' || c.kind === 'remove-service');
    const comes = commands.filter(({ kind }) => !kind.startsWith('remove'));
    await ipvs.apply([...comes, ...goes.flatMap(drain)]);
    if (goes.length === 0) return { commands, ended: 0 };
    // With a destination IPVS forgets its connections: they are found before, and reset after.
    const flows = await findFlows(goes);
    await ipvs.apply(goes);
    return { commands, ended: flows.length === 0 ? 0 : await parts.flows.reset(flows, 'all') };
  }

  /** What cannot be found stops nothing: without a reset connections of a removed backend end when the client speaks. */
  async function findFlows(goes: readonly Removal[]): Promise<readonly Flow[]> {
    try {
      const found = goes.map((goes) =>
        parts.flows.find(goes.service, goes.kind === 'remove-destination' ? goes.destination : undefined),
      );
      return (await Promise.all(found)).flat();
    } catch (error) {
      log.warn('idle connections of removed backends are not reset', { because: error });
      return [];
    }
  }

  function isOurs(service: Endpoint): boolean {
    return ours.has(endpoint(service.ip, service.port));
  }

  /** Settings and masquerade before services: what the kernel forwards without them gets no answer. */
  async function prepare(wanted: readonly WantedService[]): Promise<void> {
    const next = wanted.map(({ ip, port, destinations }) => ({ ip, port, refuses: !destinations.some(takes) }));
    if (isDeepStrictEqual(next, masqueraded)) return;
    masqueraded = undefined;
    for (const family of new Set(wanted.map(({ ip }) => familyOf(ip)))) {
      if (!holds.has(family)) holds.set(family, await parts.settings.hold(family));
    }
    await masquerade.set(next);
    masqueraded = next;
  }

  /** All of it is in the queue when this returns its promise. What fails of it stops nothing of the rest. */
  async function serve(
    wanted: readonly WantedService[],
  ): Promise<{ readonly commands: readonly IpvsCommand[]; readonly ended: number }> {
    let done: Awaited<ReturnType<typeof apply>> = { commands: [], ended: 0 };
    if (wanted.length > 0) void inTurn('IPVS services are not masqueraded', () => prepare(wanted));
    await inTurn('IPVS services not set', async () => {
      done = await apply(wanted);
    });
    return done;
  }

  /** Until it has worked, or the path opens again. */
  async function takeAway(): Promise<void> {
    next?.[Symbol.dispose]();
    const { services, masquerade, settings } = takingAway;
    void inTurn(services, () => apply([]));
    void inTurn(masquerade, () => prepare([]));
    await inTurn(settings, async () => {
      // A service that is still there is of no use without them.
      if (troubles.has(services)) return;
      const held = [...holds.values()];
      holds.clear();
      for (const hold of held) await hold[Symbol.asyncDispose]();
    });
    if (isOpen || !Object.values(takingAway).some((what) => troubles.has(what))) return;
    next = clock.at(plus(clock.now(), parts.lookInterval), () => {
      if (!isOpen) void takeAway();
    });
  }

  function lookLater(): void {
    next?.[Symbol.dispose]();
    next = clock.at(plus(clock.now(), parts.lookInterval), async () => {
      // A change that was asked for meanwhile is not taken for somebody else's.
      await last;
      if (!isOpen) return;
      const { commands: mended } = await serve(services);
      if (mended.length > 0) log.warn('IPVS services mended', { because: 'changed by somebody else', mended });
      if (isOpen) lookLater();
    });
  }

  return {
    async set(wanted) {
      services = wanted;
      for (const { ip, port } of wanted) ours.set(endpoint(ip, port), { ip, port });
      await serve(isOpen ? services : []);
    },
    async open() {
      isOpen = true;
      for (const what of Object.values(takingAway)) troubles.delete(what);
      await serve(services);
      if (isOpen) lookLater();
    },
    async reset() {
      isOpen = false;
      const { ended } = await serve(services.map((service) => ({ ...service, destinations: [] })));
      if (ended > 0) await new Promise<void>((resolve) => clock.at(plus(clock.now(), farewell), resolve));
    },
    close() {
      isOpen = false;
      return takeAway();
    },
    read: present,
    settled: () => last,
    trouble: () => [...troubles].map(([what, because]) => `${what}: ${because}`)[0],
  };
}

/** A service goes with its destinations at once: there is nobody who could take its new connections. */
function drain(goes: Removal): readonly IpvsCommand[] {
  if (goes.kind === 'remove-service') return [];
  return [{ kind: 'update-destination', service: goes.service, destination: { ...goes.destination, weight: 0 } }];
}

function takes({ weight }: { readonly weight: number }): boolean {
  return weight > 0;
}
