import { KernelError } from '../kernel/errors.js';
import type { KernelRefusal, Link, Network, NetworkChange, VrrpSocket, VrrpSockets } from '../kernel/ports.js';
import { type Family, familyOf, type Ip } from '../net/ip.js';
import { encodeIpPacket } from '../net/ip-packet.js';
import { isLinkLocalIpv6 } from '../net/ipv6.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import type { Election } from '../vip/election.js';
import { groupOf, spokenFamilies, type VrrpConfig } from './config.js';
import { nextVrrpDeadline, stepVrrp, vrrpLeadership } from './machine.js';
import { type Advertisement, encodeAdvertisement, passwordBytes, passwordIsCut, vrrpProtocol } from './packet.js';
import { receive, type VrrpRefusal } from './reception.js';
import { createRefusals } from './refusals.js';
import { bequestOf, initialVrrp, type VrrpEffect, type VrrpEvent, type VrrpFault, type VrrpState } from './state.js';
import type { Verdict } from './tracking.js';

export interface VrrpObserver {
  sent(family: Family, priority: number): void;
  received(family: Family): void;
  refused(reason: VrrpRefusal): void;
  /** Another router is master than before. */
  transition(): void;
  /** The election took a step. */
  stepped(state: VrrpState): void;
}

export interface VrrpElection extends Election {
  /** A change of addresses or links on this host. */
  network(change: NetworkChange): void;
  /** What tracking makes of the configured priority. */
  tracked(verdict: Verdict): void;
  /** Elects by other settings from now on; version, number, addresses and peers are as before. */
  configure(config: VrrpConfig): void;
  state(): VrrpState;
  /** After `cede`: the other process advertises now. */
  replaced(): void;
  /** That a peer is being refused, which is how two masters come about; undefined when none was lately. */
  alarm(): string | undefined;
}

/** TTL, and CS6, which routers' own traffic has (RFC 9568 section 5.1.1.3, RFC 4594 section 3.1). */
const hopLimit = 255;
const trafficClass = 0xc0;
const reopenAfter = millis(500);
/** A flood of made-up sources is not remembered. */
const peersTold = 16;

/** Where the advertisements of one family go out and come in. */
interface Voice {
  readonly family: Family;
  source: Ip | undefined;
  socket: VrrpSocket | undefined;
}

/**
 * The election by VRRP: feeds the machine with received advertisements and the clock, and sends what it asks for. One election for
 * all addresses of the VIP, spoken in each of their families.
 */
export function createVrrpElection(parts: {
  readonly node: string;
  readonly config: VrrpConfig;
  readonly link: Link;
  /** Preferred as source, of each family; else the interface's first address, in IPv6 its first link-local one. */
  readonly sources: readonly Ip[];
  readonly network: Pick<Network, 'addresses'>;
  readonly sockets: VrrpSockets;
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: VrrpObserver;
}): VrrpElection {
  const { node, sockets, clock, log, observer, network } = parts;
  let { link, config } = parts;
  let state = initialVrrp(config, link.up);
  let changed: () => void = () => {};
  let contested: () => void = () => {};
  let timer: Disposable | undefined;
  let reopening: Disposable | undefined;
  let isAble = true;
  let complained: string | undefined;
  let reported = vrrpLeadership(state, node);
  let onStopped: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    onStopped = resolve;
  });
  const voices: readonly Voice[] = spokenFamilies(config).map((family) => ({
    family,
    source: undefined,
    socket: undefined,
  }));
  const [main] = voices;
  const complainedOf = new Set<Voice>();
  /** Peers that count their checksums otherwise than this router. */
  const otherForm = new Set<Ip>();
  const refusals = createRefusals({ clock, log });

  const queue: VrrpEvent[] = [];
  let feeding = false;

  /** Events that an effect or a callback brings about wait until the step is over. */
  function feed(event: VrrpEvent): void {
    queue.push(event);
    if (feeding) return;
    feeding = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    } finally {
      feeding = false;
    }
    schedule();
    report();
  }

  function step(event: VrrpEvent): void {
    const stepped = stepVrrp(state, event, clock.now());
    state = stepped.state;
    for (const effect of stepped.effects) perform(effect);
  }

  function schedule(): void {
    timer?.[Symbol.dispose]();
    const deadline = nextVrrpDeadline(state);
    timer = deadline === undefined ? undefined : clock.at(deadline, look);
  }

  /** Looks at the queue and the clock: a timer that is due is believed when the receive queue is empty, and not before. */
  function look(): void {
    for (const { socket } of voices) socket?.drain();
    feed({ kind: 'tick' });
  }

  function report(): void {
    const was = reported;
    const is = vrrpLeadership(state, node);
    reported = is;
    if (was.leader !== is.leader && is.leader !== undefined) observer.transition();
    if (was.role !== is.role || was.because !== is.because || was.leader !== is.leader) {
      log.info('leadership', { from: was.role, to: is.role, because: is.because, leader: is.leader });
    }
    if (was.role !== is.role || was.because !== is.because || was.authority.kind !== is.authority.kind) changed();
    // Last: what hears of it may have the machine take the next step.
    observer.stepped(state);
  }

  function perform(effect: VrrpEffect): void {
    switch (effect.kind) {
      case 'advertise':
        if (advertise(effect.priority)) feed({ kind: 'sent' });
        return;
      case 'contested':
        return contested();
      case 'stopped':
        close();
        reopening?.[Symbol.dispose]();
        onStopped();
        return;
    }
  }

  /** Whether the main family's advertisement is on its way. */
  function advertise(priority: number): boolean {
    const results = voices.map((voice) => ({ voice, isSent: sendBy(voice, priority) }));
    return results.some(({ voice, isSent }) => voice === main && isSent);
  }

  function sendBy({ family, source, socket }: Voice, priority: number): boolean {
    if (source === undefined || socket === undefined) return false;
    const { version, virtualRouterId, advertInterval, authPass, unicastPeers, addresses } = config;
    const advertisement: Advertisement = {
      version,
      virtualRouterId,
      priority,
      interval: advertInterval,
      auth: authPass === '' || version === 3 ? { type: 0 } : { type: 1, password: passwordBytes(authPass) },
      addresses: addresses.filter((ip) => familyOf(ip) === family),
    };
    const peers = unicastPeers.filter((ip) => familyOf(ip) === family);
    const destinations = unicastPeers.length === 0 ? [groupOf(family)] : peers;
    const results = destinations.map((destination) => {
      const payload = encodeAdvertisement(advertisement, { source, destination }, config.checksum);
      return send(
        socket,
        encodeIpPacket({ source, destination, hopLimit, payload, protocol: vrrpProtocol, trafficClass }),
      );
    });
    if (!results.includes(true)) return false;
    observer.sent(family, priority);
    return true;
  }

  function send(socket: VrrpSocket, packet: Uint8Array): boolean {
    try {
      socket.send(packet);
      complained = undefined;
      return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      // Once, not with every advertisement.
      if (complained !== error.message) log.warn('advertisement not sent', { because: error.message });
      complained = error.message;
      return false;
    }
  }

  function received(packet: Uint8Array): void {
    const own = voices.flatMap(({ source }) => source ?? []);
    const heard = receive(packet, config, own);
    if (!heard.ok) {
      observer.refused(heard.reason);
      refusals.add(heard.reason, heard.unheard);
      return;
    }
    const { source, advertisement, form } = heard.value;
    if (form !== undefined && form !== config.checksum && otherForm.size < peersTold && !otherForm.has(source)) {
      otherForm.add(source);
      log.warn('a peer has the other form of checksum, and may refuse ours; see election.vrrp.checksum', {
        from: source,
        form,
      });
    }
    const { priority, interval } = advertisement;
    observer.received(familyOf(source));
    feed({ kind: 'heard', source, isMain: familyOf(source) === main?.family, priority, interval });
  }

  /** Opens what is closed, by the addresses that the interface has now. */
  async function open(): Promise<void> {
    reopening?.[Symbol.dispose]();
    const opening = ++openings;
    const listed = await network.addresses();
    // Whoever asked later has the newer answer.
    if (state.stopped || opening !== openings) return;
    const addresses = listed.filter((address) => address.link === link.index);
    // VIPs, ours and other ones, are deprecated.
    const usable = addresses.flatMap(({ ip, deprecated }) => (deprecated || config.addresses.includes(ip) ? [] : ip));
    for (const voice of voices) {
      const own = usable.filter((ip) => familyOf(ip) === voice.family);
      const before = voice.source;
      const wanted = parts.sources.find((ip) => familyOf(ip) === voice.family);
      voice.source = wanted === undefined ? own.find(mayBeSource) : own.find((ip) => ip === wanted);
      if (voice.source === before && complainedOf.has(voice)) continue;
      complainedOf.add(voice);
      if (voice.source !== undefined) log.info('advertisements are sent from', { address: voice.source });
      else log.warn('no address to send advertisements from', { interface: link.name, family: voice.family, wanted });
    }
    const refusal = openSockets();
    if (refusal !== undefined) reopening = clock.at(plus(clock.now(), reopenAfter), reopen);
    feed({ kind: 'source', source: main?.source });
    socketFault = refusal === undefined ? undefined : 'no-socket';
    setFault();
  }

  let openings = 0;
  let socketFault: VrrpFault | undefined = 'starting';
  let trackingFault: VrrpFault | undefined;

  function setFault(): void {
    feed({ kind: 'fault', fault: socketFault ?? (isAble ? trackingFault : 'unable') });
  }

  function openSockets(): string | undefined {
    const group = config.unicastPeers.length === 0;
    for (const voice of voices) {
      if (voice.socket !== undefined) continue;
      const where = { link: link.index, family: voice.family, virtualRouterId: config.virtualRouterId, group };
      try {
        voice.socket = sockets.open(where, received, (refusal) => failed(voice, refusal));
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        if (complained !== error.message) log.warn('VRRP socket closed', { because: error.message });
        complained = error.message;
        return error.message;
      }
    }
    return undefined;
  }

  function failed(voice: Voice, refusal: KernelRefusal): void {
    log.warn('VRRP socket closed', { because: `${refusal.operation}: ${refusal.code}` });
    voice.socket = undefined;
    socketFault = 'no-socket';
    setFault();
    reopen();
  }

  function reopen(): void {
    void open().catch((error: unknown) => {
      log.error('cannot list addresses', { because: String(error) });
      reopening = clock.at(plus(clock.now(), reopenAfter), reopen);
    });
  }

  function close(): void {
    for (const voice of voices) {
      voice.socket?.[Symbol.dispose]();
      voice.socket = undefined;
    }
  }

  function linkChanged(is: Link): void {
    if (is.index !== link.index) close();
    link = is;
    feed({ kind: 'link', up: is.up });
    if (is.up) reopen();
  }

  return {
    start(onChange, onContested = () => {}, bequest) {
      changed = onChange;
      contested = onContested;
      if (passwordIsCut(config.authPass)) log.warn('of the VRRP password only the first eight bytes count');
      feed({ kind: 'start', masterUntil: bequest?.until });
      reopen();
    },
    leadership() {
      if (!feeding && state.started && !state.stopped) look();
      return vrrpLeadership(state, node);
    },
    // Who has the VIP is settled by advertisements; a claim by ARP or NDP only says that what was settled is done.
    claimed: () => feed({ kind: 'claimed' }),
    unclaimed() {},
    able(able) {
      isAble = able;
      setFault();
    },
    address: (on) => feed({ kind: 'address', on }),
    async cede() {
      if (!state.started || state.stopped) return undefined;
      look();
      feed({ kind: 'cede' });
      return bequestOf(state, clock.now());
    },
    stop() {
      if (!state.started || state.stopped) return Promise.resolve();
      feed({ kind: 'stop' });
      return stopped;
    },
    replaced: () => feed({ kind: 'replaced' }),
    network(change) {
      if (!state.started || state.stopped) return;
      if (change.kind === 'link' && change.link.name === link.name) linkChanged(change.link);
      else if (change.kind === 'link-removed' && change.index === link.index) linkChanged({ ...link, up: false });
      else if (change.kind === 'overrun' || concerns(change)) reopen();
    },
    tracked({ priority, mayPreempt, fault }) {
      trackingFault = fault;
      feed({ kind: 'tracked', priority, mayPreempt });
      setFault();
    },
    configure(next) {
      config = next;
      feed({ kind: 'configured', config });
    },
    state: () => state,
    alarm: () => refusals.alarm(),
  };

  /** Whether an address of this interface came or went that is not the VIP's. */
  function concerns(change: NetworkChange): boolean {
    if (change.kind === 'address-removed') return change.link === link.index && !config.addresses.includes(change.ip);
    if (change.kind !== 'address-added') return false;
    return change.address.link === link.index && !config.addresses.includes(change.address.ip);
  }
}

function mayBeSource(ip: Ip): boolean {
  return familyOf(ip) === 4 || isLinkLocalIpv6(ip);
}
