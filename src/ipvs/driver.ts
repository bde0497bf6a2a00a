import { isDeepStrictEqual } from 'node:util';
import type {
  Endpoint,
  Flow,
  Flows,
  Ipvs,
  IpvsCommand,
  Masquerade,
  MasqueradedService,
  PresentService,
} from '../kernel/ports.js';
import { endpoint, type Family, familyOf } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';
import type { DataPath } from '../vip/data-path.js';
import type { HostSettings } from './host-settings.js';
import { planServices, type WantedService } from './plan.js';

export interface IpvsDriver extends DataPath {
  /**
   * The services from now on. What is no longer among them is removed, and so is what an earlier life has left under their names.
   * Resolves when the kernel has them, if the path is open.
   */
  set(services: readonly WantedService[]): Promise<void>;
  /** The services as they are in the kernel's table. */
  read(): Promise<readonly PresentService[]>;
}

type RemoveDestination = IpvsCommand & { readonly kind: 'remove-destination' };

/**
 * The services of one VIP in IPVS. Connections to a destination that is wanted no longer are reset; one that is to keep them is wanted
 * with weight 0. IPVS sends no news of its table, so it is looked at every `lookInterval` while the path is open,
 * and what others did to our services is mended.
 */
export function createIpvsDriver(parts: {
  readonly ipvs: Ipvs;
  readonly masquerade: Masquerade;
  readonly flows: Flows;
  readonly settings: Pick<HostSettings, 'hold'>;
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

  async function apply(wanted: readonly WantedService[]): Promise<readonly IpvsCommand[]> {
    const commands = planServices(wanted, await present(), isOurs);
    const goes = commands.filter((command) => command.kind === 'remove-destination');
    if (goes.length === 0) {
      await ipvs.apply(commands);
      return commands;
    }
    const comes = commands.filter(({ kind }) => !kind.startsWith('remove'));
    await ipvs.apply([...comes, ...goes.map(drain)]);
    // With a destination IPVS forgets its connections: they are found before, and reset after.
    const ended = await findFlows(goes);
    await ipvs.apply(commands.filter((command) => !comes.includes(command)));
    if (ended.length > 0) await parts.flows.reset(ended, 'all');
    return commands;
  }

  /** What cannot be found stops nothing: without a reset connections of a removed backend end when the client speaks. */
  async function findFlows(goes: readonly RemoveDestination[]): Promise<readonly Flow[]> {
    try {
      const found = await Promise.all(goes.map(({ service, destination }) => parts.flows.find(service, destination)));
      return found.flat();
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
  async function serve(wanted: readonly WantedService[]): Promise<readonly IpvsCommand[]> {
    let commands: readonly IpvsCommand[] = [];
    if (wanted.length > 0) void inTurn('IPVS services are not masqueraded', () => prepare(wanted));
    await inTurn('IPVS services not set', async () => {
      commands = await apply(wanted);
    });
    return commands;
  }

  function lookLater(): void {
    next?.[Symbol.dispose]();
    next = clock.at(plus(clock.now(), parts.lookInterval), async () => {
      // A change that was asked for meanwhile is not taken for somebody else's.
      await last;
      if (!isOpen) return;
      const mended = await serve(services);
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
      await serve(services);
      if (isOpen) lookLater();
    },
    async reset() {
      isOpen = false;
      await serve(services.map((service) => ({ ...service, destinations: [] })));
    },
    async close() {
      isOpen = false;
      next?.[Symbol.dispose]();
      void inTurn('IPVS services not removed', () => apply([]));
      void inTurn('masquerade not removed', () => prepare([]));
      await inTurn('kernel settings not given back', async () => {
        const held = [...holds.values()];
        holds.clear();
        for (const hold of held) await hold[Symbol.asyncDispose]();
      });
    },
    read: present,
  };
}

function drain({ service, destination }: RemoveDestination): IpvsCommand {
  return { kind: 'update-destination', service, destination: { ...destination, weight: 0 } };
}

function takes({ weight }: { readonly weight: number }): boolean {
  return weight > 0;
}
