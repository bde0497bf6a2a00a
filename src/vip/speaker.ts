import { arp } from '../arp/announcement.js';
import { KernelError } from '../kernel/errors.js';
import type { Link, PacketSocket, PacketSockets } from '../kernel/ports.js';
import { ndp } from '../ndp/announcement.js';
import { familyOf, type Ip } from '../net/ip.js';
import { zeroMac } from '../net/mac.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import type { AnnouncementForm, Heard, NeighbourProtocol } from './neighbour-protocol.js';

const reopenAfter = millis(500);

/** The VIP's voice and ears on the LAN. */
export interface Speaker extends Disposable {
  /** Announces every address once, in all forms. */
  announce(): void;
  /** Asks the LAN who has the addresses. */
  probe(): void;
  /** The interface changed: up, down, another hardware address, another index. */
  link(link: Link): void;
}

interface SpeakerParts {
  readonly sockets: PacketSockets;
  readonly clock: Clock;
  readonly log: Log;
  readonly link: Link;
  readonly ips: readonly Ip[];
  readonly onHeard: (heard: Heard) => void;
  readonly onAnnounced: (form: AnnouncementForm) => void;
}

/** Speaks for some addresses on one interface: ARP for those of IPv4, NDP for those of IPv6. */
export function createSpeaker(parts: SpeakerParts): Speaker {
  const families = [
    { protocol: arp, ips: parts.ips.filter((ip) => familyOf(ip) === 4) },
    { protocol: ndp, ips: parts.ips.filter((ip) => familyOf(ip) === 6) },
  ];
  const speakers = families
    .filter(({ ips }) => ips.length > 0)
    .map(({ protocol, ips }) => createProtocolSpeaker(protocol, { ...parts, ips }));
  return {
    announce() {
      for (const speaker of speakers) speaker.announce();
    },
    probe() {
      for (const speaker of speakers) speaker.probe();
    },
    link(link) {
      for (const speaker of speakers) speaker.link(link);
    },
    [Symbol.dispose]() {
      for (const speaker of speakers) speaker[Symbol.dispose]();
    },
  };
}

/** Speaks one protocol; opens its socket again when the kernel closes it. */
function createProtocolSpeaker(protocol: NeighbourProtocol, parts: SpeakerParts): Speaker {
  const { sockets, clock, ips } = parts;
  const groups = [...new Set(ips.flatMap((ip) => protocol.groups(ip)))];
  const log = (level: 'debug' | 'info' | 'warn', message: string, because?: string) =>
    parts.log[level](message, { protocol: protocol.name, interface: link.name, because });
  let link = parts.link;
  let socket: PacketSocket | undefined;
  let reopening: Disposable | undefined;
  let disposed = false;
  let complained = false;

  function open(): void {
    reopening?.[Symbol.dispose]();
    reopening = undefined;
    if (socket !== undefined || disposed) return;
    const where = { link: link.index, protocol: protocol.name, groups };
    try {
      socket = sockets.open(where, received, (refusal) => closed(`${refusal.operation}: ${refusal.code}`));
      if (complained) log('info', 'packet socket open');
      complained = false;
    } catch (error) {
      closed(error instanceof Error ? error.message : String(error));
    }
  }

  function closed(because: string): void {
    if (!complained) log('warn', 'packet socket closed', because);
    complained = true;
    close();
    if (!disposed) reopening = clock.at(plus(clock.now(), reopenAfter), open);
  }

  function close(): void {
    socket?.[Symbol.dispose]();
    socket = undefined;
  }

  function received(frame: Uint8Array): void {
    const heard = protocol.hear(frame, ips, link.mac ?? zeroMac);
    if (heard !== undefined) parts.onHeard(heard);
  }

  function send(frame: Uint8Array): boolean {
    open();
    try {
      socket?.send(frame);
      return socket !== undefined;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      // A link that is down comes back by a link event, which announces anew; anything else needs another socket.
      if (error.code === 'ENETDOWN') log('debug', 'frame not sent', error.message);
      else closed(error.message);
      return false;
    }
  }

  open();
  return {
    announce() {
      const { mac } = link;
      if (mac === undefined) return;
      for (const { form, frame } of ips.flatMap((ip) => protocol.announcements(ip, mac))) {
        if (send(frame)) parts.onAnnounced(form);
      }
    },
    probe() {
      const { mac } = link;
      if (mac === undefined) return;
      for (const ip of ips) send(protocol.probe(ip, mac));
    },
    link(changed) {
      if (changed.index !== link.index) close();
      link = changed;
      open();
    },
    [Symbol.dispose]() {
      disposed = true;
      reopening?.[Symbol.dispose]();
      close();
    },
  };
}
