import type { InterfaceSelector, VipSettings } from './config/settings.js';
import type { Found, Ground } from './ground.js';
import type { NetworkChange, Resolver } from './kernel/ports.js';
import type { Claims } from './names/claims.js';
import { createNames } from './names/driver.js';
import { type Cidr, formatCidr } from './net/cidr.js';
import { hostPrefix, type Ip } from './net/ip.js';
import { millis, plus } from './time/instant.js';
import type { VipStatus } from './vip/status.js';
import { createVip, logFor, offStatus, type Shared, type Vip } from './vip-parts.js';

/** Not all that a VIP can stand on is told of when it comes: a route, a port that becomes free. */
const retry = millis(5000);
/** One look-up of a name: glibc waits 5 s for each name server, and gives up after two that are dead. */
const lookupPatience = millis(12_000);

/** What a VIP waits for that has no ground, in one word. */
type Waiting =
  | 'starting'
  | 'waiting-for-name'
  | 'waiting-for-api'
  | 'refused'
  | (Found & { readonly ok: false })['because'];

export interface StandingVip extends Vip {
  /** The addresses that are this VIP's: those written, and those of names that it has gone to. */
  ips(): readonly Ip[];
  /** Something that it waits for may have come, or an address of its own may be another VIP's now. */
  reconsider(): void;
  /** It is on this interface from now on, whatever the settings say; it moves there in order. */
  useInterface(selector: InterfaceSelector): void;
}

interface Standing {
  readonly vip: Vip;
  readonly addresses: readonly Cidr[];
  readonly interface: string;
  /** What the interface was chosen by. */
  readonly selector: InterfaceSelector | undefined;
}

/**
 * A VIP that waits, as a fault, while this host lacks what it needs or a name has no address yet, and is there as soon as it can be.
 * When its names have other addresses, it is given up and away in order, and contended for anew with them.
 *
 * The nodes look names up each at its own time, and so may have different addresses for one election for a while. No address is on two
 * of them all the same. With a Lease only who leads has an address at all, and it is off before another may lead: whoever lags behind
 * can lead with the old one until he has looked too. Routers of VRRP that disagree about the list do not hear each other, and may lead
 * both: that is why such a name has a VIP of its own there, so that the lists have nothing in common.
 *
 * While the API does not answer, whoever has the VIP keeps it as it is: given up, it could not be given to anybody. So does a node that
 * knows who leads: contending anew it would know nothing.
 *
 * @param parts.found what there was for it before; undefined when its addresses are not known yet. Throws KernelError when it cannot be
 * made on that
 * @param parts.find what there is now; `fresh`: those of the addresses that it comes to newly
 */
export function createStandingVip(
  first: VipSettings,
  parts: {
    readonly found: Found | undefined;
    /** How the interface is chosen. */
    readonly selector: InterfaceSelector | undefined;
    readonly find: (vip: VipSettings, fresh: readonly Ip[]) => Promise<Found>;
    readonly claims: Claims;
    readonly resolver: Resolver;
    readonly shared: Shared;
  },
): StandingVip {
  const { find, claims, resolver, shared } = parts;
  const { clock } = shared;
  const log = logFor(shared.log, first.name);
  const names = createNames({
    names: first.dns.names,
    config: first.dns,
    ...{ patience: lookupPatience, resolver, clock, log },
  });
  let settings = first;
  let { selector } = parts;
  let standing: Standing | undefined;
  let waiting: Waiting = 'starting';
  let since = clock.wall();
  let complaint: string | undefined;
  let started = false;
  let stopped = false;
  let timer: Disposable | undefined;
  /** One thing after the other. */
  let work: Promise<unknown> = Promise.resolve();
  let isDue = false;

  /** The addresses that it should have now. */
  function wanted(): readonly Cidr[] | undefined {
    const named = names.addresses()?.map((ip) => ({ ip, prefixLength: hostPrefix(ip) }));
    return named === undefined
      ? undefined
      : [...settings.addresses, ...named.filter(({ ip }) => !settings.addresses.some((written) => written.ip === ip))];
  }

  function stand(addresses: readonly Cidr[], ground: Ground): Standing {
    log.info('interface', { interface: ground.link.name, because: ground.because });
    const vip = createVip({ ...settings, addresses }, ground, shared);
    return { vip, addresses, interface: ground.link.name, selector };
  }

  /** Each reason once: an absence can be long. */
  function complain(because: Waiting, message: string): void {
    waiting = because;
    if (message !== complaint)
      log.warn(standing === undefined ? 'the VIP waits' : 'the VIP stays as it is', { because, detail: message });
    complaint = message;
  }

  function look(): void {
    if (isDue || stopped) return;
    isDue = true;
    work = work.then(async () => {
      isDue = false;
      timer?.[Symbol.dispose]();
      if (stopped) return;
      const isThere = await lookNow().catch((error: unknown) => {
        complain('refused', error instanceof Error ? error.message : String(error));
        return false;
      });
      if (isThere) complaint = undefined;
      else if (!stopped) timer = clock.at(plus(clock.now(), retry), look);
    });
  }

  /** Whether it has all that it should have. */
  async function lookNow(): Promise<boolean> {
    const addresses = wanted();
    if (addresses === undefined) {
      waiting = 'waiting-for-name';
      return true;
    }
    if (standing?.vip.isUnproven() && (!isSame(addresses, standing.addresses) || mustYield(standing))) {
      complain(
        'waiting-for-api',
        'what it has could not be had again while the API does not answer; it moves when the API does',
      );
      return false;
    }
    claims.want(settings.name, ipsOf(addresses));
    if (standing !== undefined && mustYield(standing)) {
      await leave(standing, 'none', selector);
      claims.hold(settings.name, []);
    }
    if (stopped) return true;
    const before = standing?.addresses ?? [];
    const hasAddresses = standing !== undefined && isSame(addresses, before);
    if (hasAddresses && standing?.selector === selector) return true;
    const taken = claims.taken(settings.name, ipsOf(addresses), 'take');
    if (taken !== undefined) {
      complain('unfit-address', `${taken} is an address of another VIP; give the name another address`);
      return false;
    }
    // Before anything is waited for: no other VIP takes them meanwhile.
    claims.hold(settings.name, ipsOf([...before, ...addresses]));
    try {
      return await takePlace(addresses, hasAddresses);
    } finally {
      claims.hold(settings.name, ipsOf(standing?.addresses ?? []));
    }
  }

  async function takePlace(addresses: readonly Cidr[], hasAddresses: boolean): Promise<boolean> {
    const written = standing?.addresses ?? settings.addresses;
    const fresh = ipsOf(addresses).filter((ip) => !written.some((address) => address.ip === ip));
    const found = await find({ ...settings, addresses, interface: selector }, fresh);
    if (stopped) return true;
    if (!found.ok) {
      complain(found.because, found.message);
      return false;
    }
    const { name } = found.ground.link;
    if (hasAddresses && standing?.interface === name) return true;
    if (standing !== undefined) await leave(standing, text(addresses), name);
    if (stopped) return true;
    standing = stand(addresses, found.ground);
    standing.vip.start();
    // What changed since was told to nobody.
    standing.vip.network({ kind: 'overrun' });
    return true;
  }

  /** Whether one of its addresses is another VIP's, by written word or by its place in the settings. */
  function mustYield({ addresses }: Standing): boolean {
    return claims.taken(settings.name, ipsOf(addresses), 'keep') !== undefined;
  }

  async function leave(from: Standing, addresses: string, link: InterfaceSelector | undefined): Promise<void> {
    const was = { addresses: text(from.addresses), interface: from.interface };
    log.warn('the VIP moves', { from: was, to: { addresses, interface: String(link ?? 'none') } });
    await from.vip.stop();
    standing = undefined;
    waiting = 'starting';
    since = clock.wall();
  }

  function waitingStatus(): VipStatus {
    return {
      name: settings.name,
      addresses: (wanted() ?? settings.addresses).map(({ ip }) => ip),
      interface: String(selector ?? 'none'),
      role: 'fault',
      leader: undefined,
      since: since.toISOString(),
      because: waiting,
      held: false,
      loadBalancer: { ...offStatus, because: waiting },
    };
  }

  if (parts.found?.ok === true) {
    standing = stand(settings.addresses, parts.found.ground);
    claims.hold(settings.name, ipsOf(standing.addresses));
  }
  if (parts.found?.ok === false) complain(parts.found.because, parts.found.message);

  return {
    ips: () => ipsOf(standing?.addresses ?? settings.addresses),
    reconsider() {
      if (started) look();
    },
    useInterface(other) {
      selector = other;
      if (started) look();
    },
    prepare: () => standing?.vip.prepare(),
    isPrepared: () => standing?.vip.isPrepared() ?? true,
    get stage() {
      return standing?.vip.stage ?? 'off';
    },
    identity: () => standing?.vip.identity() ?? { name: settings.name, is: waiting },
    cede: async () => (await standing?.vip.cede()) ?? { name: settings.name, held: false },
    retire() {
      stopped = true;
      timer?.[Symbol.dispose]();
      names[Symbol.dispose]();
      standing?.vip.retire();
    },
    drained: () => standing?.vip.drained() ?? [],
    opinions: () => standing?.vip.opinions() ?? [],
    start(bequest) {
      started = true;
      standing?.vip.start(bequest);
      names.start(look);
      if (standing?.selector !== selector || standing === undefined) look();
    },
    network(change) {
      if (standing !== undefined) standing.vip.network(change);
      else if (started && maySupply(change)) look();
    },
    async stop() {
      stopped = true;
      timer?.[Symbol.dispose]();
      names[Symbol.dispose]();
      await work;
      await standing?.vip.stop();
    },
    get settings() {
      return settings;
    },
    async change(next) {
      const change = work.then(async () => {
        await standing?.vip.change({ ...next, addresses: standing.addresses });
        settings = next;
      });
      work = change.catch(() => {});
      await change;
    },
    drain: (backend, drained) => standing?.vip.drain(backend, drained) ?? false,
    isUnproven: () => standing?.vip.isUnproven() ?? false,
    async look() {
      await standing?.vip.look();
    },
    reading() {
      const { type, lease } = settings.election;
      const reading = standing?.vip.reading() ?? {
        status: waitingStatus(),
        lease: type === 'lease' ? { name: lease.name, ageSeconds: undefined } : undefined,
        traffic: undefined,
      };
      if (settings.dns.names.length === 0) return reading;
      return { ...reading, status: { ...reading.status, names: settings.dns.names } };
    },
    troubles: () => standing?.vip.troubles() ?? [`VIP ${settings.name}: ${waiting}`],
    dump: () => standing?.vip.dump() ?? { ...waitingStatus() },
  };
}

/** Whether the host has more than before. */
function maySupply({ kind }: NetworkChange): boolean {
  return kind === 'link' || kind === 'address-added' || kind === 'overrun';
}

function isSame(a: readonly Cidr[], b: readonly Cidr[]): boolean {
  return text(a) === text(b);
}

function ipsOf(addresses: readonly Cidr[]): readonly Ip[] {
  return addresses.map(({ ip }) => ip);
}

function text(addresses: readonly Cidr[]): string {
  return addresses.map(formatCidr).join(' ');
}
