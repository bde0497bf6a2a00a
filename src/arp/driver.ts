import { KernelError } from '../kernel/errors.js';
import type { ArpSocket, ArpSockets, Link } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import { zeroMac } from '../net/mac.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { type AnnouncementForm, announcementFrame, type Heard, hear, probeFrame } from './announcement.js';

const reopenAfter = millis(500);

export interface ArpSpeaker extends Disposable {
  /** Announces every address once, in both forms. */
  announce(): void;
  /** Asks the LAN who has the addresses. */
  probe(): void;
  /** The interface changed: up, down, another hardware address, another index. */
  link(link: Link): void;
}

/** Speaks and hears ARP for some addresses on one interface; opens its socket again when the kernel closes it. */
export function createArpSpeaker(parts: {
  readonly sockets: ArpSockets;
  readonly clock: Clock;
  readonly log: Log;
  readonly link: Link;
  readonly ips: readonly Ip[];
  readonly onHeard: (heard: Heard) => void;
  readonly onAnnounced: (form: AnnouncementForm) => void;
}): ArpSpeaker {
  const { sockets, clock, log, ips } = parts;
  let link = parts.link;
  let socket: ArpSocket | undefined;
  let reopening: Disposable | undefined;
  let disposed = false;
  let complained = false;

  function open(): void {
    reopening?.[Symbol.dispose]();
    reopening = undefined;
    if (socket !== undefined || disposed) return;
    try {
      socket = sockets.open(link.index, received, (refusal) => closed(`${refusal.operation}: ${refusal.code}`));
      if (complained) log.info('ARP socket open', { interface: link.name });
      complained = false;
    } catch (error) {
      closed(error instanceof Error ? error.message : String(error));
    }
  }

  function closed(because: string): void {
    if (!complained) log.warn('ARP socket closed', { interface: link.name, because });
    complained = true;
    close();
    if (!disposed) reopening = clock.at(plus(clock.now(), reopenAfter), open);
  }

  function close(): void {
    socket?.[Symbol.dispose]();
    socket = undefined;
  }

  function received(frame: Uint8Array): void {
    const heard = hear(frame, ips, link.mac ?? zeroMac);
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
      if (error.code === 'ENETDOWN') log.debug('ARP frame not sent', { interface: link.name, because: error.message });
      else closed(error.message);
      return false;
    }
  }

  open();
  return {
    announce() {
      const { mac } = link;
      if (mac === undefined) return;
      for (const ip of ips) {
        for (const form of ['request', 'reply'] as const) {
          if (send(announcementFrame(form, ip, mac))) parts.onAnnounced(form);
        }
      }
    },
    probe() {
      const { mac } = link;
      if (mac === undefined) return;
      for (const ip of ips) send(probeFrame(ip, mac));
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
