import type { ControlAnswer } from './admin/control.js';
import type { CheckFailure } from './balancer/health.js';
import type { VipSettings } from './config/settings.js';
import { type Estate, handOver, Stranded, type Successor } from './handover/giver.js';
import { ceding, type Predecessor } from './handover/heir.js';
import type { VipIdentity, VipOpinions } from './handover/messages.js';
import type { Descriptor, Generation, Launched, Network } from './kernel/ports.js';
import type { RelayEstate } from './proxy/relay-estate.js';
import type { StandingVip } from './standing-vip.js';
import type { Reports } from './supervisor/driver.js';
import type { Clock } from './time/clock.js';
import { type Millis, millis, plus } from './time/instant.js';
import { isOurs } from './vip/leftovers.js';
import type { BackendOpinion } from './vip-parts.js';
import { cededFor } from './vrrp/state.js';

/** Until backends are known and checked; until what the other led is led here. */
const preparation = millis(30_000);
const taking = millis(5000);
const look = millis(5);
/** A request to the API that is given up is so within this after its deadline. */
const givenUp = millis(10_000);
/** To end a process that hangs, and to take away what it was to have. */
const givingUp = millis(1000);

/** What a daemon has to hand over to a new process of this node. */
export function createEstate(
  vips: readonly StandingVip[],
  parts: {
    readonly relay: RelayEstate;
    readonly lock: Descriptor;
    readonly generation: Generation;
    readonly pid: number;
    readonly predecessor: Predecessor | undefined;
    /** Why nothing may be handed over any more. */
    readonly refusal: () => string | undefined;
    readonly reports: Reports;
    /** Frees the ports where metrics and health are served. */
    readonly telemetry: () => PromiseLike<void> | undefined;
  },
): Estate {
  const { relay, predecessor, pid } = parts;
  return {
    lock: parts.lock,
    generation: parts.generation,
    get ancestors() {
      return ancestorsOf(predecessor);
    },
    sockets: () => relay.sockets(),
    drained: () => vips.flatMap((vip) => vip.drained().map((backend) => ({ vip: vip.settings.name, backend }))),
    refusal: (theirs) => parts.refusal() ?? unfit(vips) ?? mismatch(vips, theirs),
    async cede() {
      // Those with a Lease wait for an answer first: the others go on speaking until then. None is refreshed from its own answer on, since
      // nobody could doubt it any more: with an API that is slow to another it may expire.
      const slow = vips.filter(({ settings }) => settings.election.type === 'lease');
      const first = await Promise.all(slow.map((vip) => vip.cede()));
      return [...first, ...(await Promise.all(vips.filter((vip) => !slow.includes(vip)).map((vip) => vip.cede())))];
    },
    opinions: () => vips.map((vip) => ({ vip: vip.settings.name, backends: vip.opinions().map(inBrief) })),
    async leave(to) {
      await relay.leave();
      await parts.telemetry();
      parts.reports.handedOver(to);
    },
    resetAt: (ip, backend) => relay.resetAt(ip, backend),
    remaining: () => [...relay.remaining().map((one) => ({ ...one, of: pid })), ...(predecessor?.remaining() ?? [])],
    isOver: () => relay.remaining().every(({ connections }) => connections === 0) && (predecessor?.isOver ?? true),
    get patience() {
      return millis(Math.min(...vips.map(({ settings }) => patienceFor(settings))));
    },
  };
}

/**
 * How long nobody need lead a VIP that was ceded. Its address is good for no longer; and other routers take over when they do not hear
 * this node any more: before that, a process that does not go on is ended and the address is off.
 */
export function patienceFor(vip: {
  readonly deadManSwitch: Millis | 'off';
  readonly election: { readonly type: VipSettings['election']['type'] };
}): Millis {
  const lifetime = vip.deadManSwitch === 'off' ? 0 : vip.deadManSwitch;
  return millis(vip.election.type === 'vrrp' ? Math.min(lifetime, cededFor - givingUp) : lifetime);
}

function inBrief({ ip, port, up, against, lastResult }: BackendOpinion): VipOpinions['backends'][number] {
  const because = lastResult?.ok === false ? lastResult.because : undefined;
  return { ip, port, up, against, because };
}

/** What an earlier process of this node thought of a VIP's backends. */
export function opinionsOf(predecessor: Predecessor | undefined, vip: string): readonly BackendOpinion[] {
  const found = predecessor?.opinions.find((one) => one.vip === vip)?.backends ?? [];
  return found.map(({ because, ...opinion }) => ({
    ...opinion,
    lastResult: because === undefined ? { ok: true } : { ok: false, because: because as CheckFailure },
  }));
}

export interface Upgrading {
  /** As `Control.upgrade`. */
  upgrade(): Promise<ControlAnswer>;
  readonly isUnderWay: boolean;
  /** Ends one that is under way, and the new process with it; settles when that is so. Nobody is left who leads but this process. */
  abort(): Promise<void>;
}

export function createUpgrading(
  parts: Parameters<typeof handOver>[1] & {
    readonly estate: Estate;
    /** Why it may not be begun, in a sentence. */
    readonly refusal: () => string | undefined;
    readonly onHandedOver: (to: Successor) => void;
    readonly onStranded: (error: Stranded) => void;
  },
): Upgrading {
  let isUnderWay = false;
  let launched: Launched | undefined;
  let isAborted = false;
  let over: Promise<unknown> = Promise.resolve();
  const launch = async (path: string) => {
    launched = await parts.launch(path);
    if (isAborted) launched.kill();
    return launched;
  };
  async function begin(): Promise<Successor> {
    launched = undefined;
    const successor = await handOver(parts.estate, { ...parts, launch });
    // It was killed when it had hardly begun.
    if (isAborted) throw new Stranded('vipd was told to stop while it handed over');
    return successor;
  }
  return {
    async upgrade() {
      if (isUnderWay) return refusedUpgrade('another process is about to go on already');
      const because = parts.refusal();
      if (because !== undefined) return refusedUpgrade(because);
      isUnderWay = true;
      try {
        const beginning = begin();
        over = beginning.catch(() => {});
        const successor = await beginning;
        parts.onHandedOver(successor);
        return { ok: true, changes: [`process ${successor.pid}, vipd ${successor.version}, goes on`] };
      } catch (error) {
        parts.log.error('not handed over', { because: error });
        if (error instanceof Stranded) parts.onStranded(error);
        isUnderWay = false;
        return refusedUpgrade(error instanceof Error ? error.message : String(error));
      }
    },
    get isUnderWay() {
      return isUnderWay;
    },
    async abort() {
      isAborted = true;
      if (!isUnderWay) return;
      launched?.kill();
      await over;
      await launched?.ended;
    },
  };
}

export function refusedUpgrade(because: string): ControlAnswer {
  return { ok: false, refusal: 'failed', problems: [because] };
}

/** Each has the memory of a whole daemon, and a table of its own (`generations`). */
const ancestorsAtMost = 8;

function ancestorsOf(predecessor: Predecessor | undefined): number {
  return predecessor === undefined || predecessor.isOver ? 0 : predecessor.ancestors + 1;
}

/** Why these VIPs cannot be handed over at this moment, in a sentence. */
export function unfit(vips: readonly StandingVip[], predecessor?: Predecessor): string | undefined {
  const ancestors = ancestorsOf(predecessor);
  if (ancestors >= ancestorsAtMost)
    return `${ancestors} processes of earlier upgrades serve open connections yet; ask again when they have ended, or restart vipd`;
  for (const vip of vips) {
    const { name, deadManSwitch, dns, election } = vip.settings;
    if (election.type === 'lease' && election.lease.renewDeadline > ceding - givenUp)
      return `VIP ${name}: election.lease.renewDeadline is longer than ${(ceding - givenUp) / 1000} s, and a new process does not wait so long for an answer of the API; restart vipd instead`;
    if (deadManSwitch === 'off')
      return `VIP ${name}: deadManSwitch is off, and nothing would take its address away if both processes died; restart vipd instead`;
    if (dns.names.length > 0)
      return `VIP ${name} follows a DNS name, which cannot be handed over; restart vipd instead`;
    if (vip.reading().status.loadBalancer.mode === 'ipvs')
      return `VIP ${name} is balanced by IPVS, whose services cannot be handed over; restart vipd instead`;
    if (vip.stage === 'between') return `VIP ${name} is on its way to this node or away; ask again in a moment`;
    if (vip.isUnproven())
      return `VIP ${name}: the API does not answer, and a new process could not have it again; ask again when it does`;
  }
  return undefined;
}

function mismatch(ours: readonly StandingVip[], theirs: readonly VipIdentity[]): string | undefined {
  for (const vip of ours) {
    const { name, is } = vip.identity();
    const their = theirs.find((one) => one.name === name);
    if (their === undefined) return `VIP ${name} is in the settings no more; restart vipd for that`;
    if (their.is !== is)
      return `VIP ${name} has other addresses, another interface, node name, election or data plane (${is} here, ${their.is} in the new process); restart vipd for that`;
    if (their.unable !== undefined && vip.stage === 'serving')
      return `VIP ${name} is led here, and the new process could not lead it: ${their.unable}; mend that, or its settings`;
  }
  const added = theirs.find(({ name }) => !ours.some((vip) => vip.settings.name === name));
  return added === undefined ? undefined : `VIP ${added.name} is new; restart vipd for that`;
}

/**
 * Goes on where another process of this node led: prepares all, has it cede, and leads. Settles when the VIPs that it held are served
 * here; rejects with an Error of one sentence when they are not.
 */
export async function goOn(
  vips: readonly StandingVip[],
  predecessor: Predecessor,
  parts: { readonly network: Network; readonly clock: Clock; readonly isStopping: () => boolean },
): Promise<void> {
  for (const vip of vips) vip.prepare();
  await until('backends could not be checked', vips, (vip) => vip.isPrepared(), preparation, parts.clock);
  for (const { vip, backend } of predecessor.drained) {
    vips.find(({ settings }) => settings.name === vip)?.drain(backend, true);
  }
  if (parts.isStopping()) throw new Error('told to stop before it could go on');
  const ceded = await predecessor.cede(vips.map((vip) => vip.identity()));
  const led = ceded.filter(({ bequest }) => bequest !== undefined).map(({ name }) => name);
  const lost = vips.filter(
    ({ settings: { name } }) => ceded.some((c) => c.name === name && c.held) && !led.includes(name),
  );
  await removeAddresses(lost, parts.network);
  for (const vip of vips) {
    vip.start(ceded.find(({ name }) => name === vip.settings.name)?.bequest);
    // What changed since the links were listed was told to nobody.
    vip.network({ kind: 'overrun' });
  }
  const wanted = vips.filter(({ settings }) => led.includes(settings.name));
  await until('is not served by the new process', wanted, (vip) => vip.stage === 'serving', taking, parts.clock);
}

/** Of VIPs that the other process had and could not leave. */
async function removeAddresses(vips: readonly StandingVip[], network: Network): Promise<void> {
  if (vips.length === 0) return;
  const ips = vips.flatMap((vip) => vip.ips());
  const present = (await network.addresses()).filter((address) => ips.includes(address.ip) && isOurs(address));
  for (const address of present) await network.removeAddress(address);
}

async function until(
  what: string,
  vips: readonly StandingVip[],
  isDone: (vip: StandingVip) => boolean,
  patience: Millis,
  clock: Clock,
): Promise<void> {
  const end = plus(clock.now(), patience);
  for (;;) {
    const late = vips.find((vip) => !isDone(vip));
    if (late === undefined) return;
    if (clock.now() >= end) throw new Error(`VIP ${late.settings.name}: ${what} within ${patience / 1000} s`);
    await new Promise<void>((resolve) => clock.at(plus(clock.now(), look), resolve));
  }
}
