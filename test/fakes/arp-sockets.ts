import { KernelError } from '../../src/kernel/errors.js';
import type { ArpSockets } from '../../src/kernel/ports.js';

const headerLength = 14;
const mtu = 1500;

/** One host's place on the simulated LAN. */
export interface FakeArpHost {
  readonly sockets: ArpSockets;
  /** The interface goes down (its sockets are silent) or up again. */
  setUp(up: boolean): void;
  /** The interface is gone for good. */
  remove(): void;
}

/** A simulated Ethernet segment that carries every frame to every other host, as a switch does with broadcasts. */
export interface FakeArpLan {
  /** Plugs in a host whose interface on this LAN has index `link`. */
  join(link: number): FakeArpHost;
  /** Every frame that was sent, in order. */
  readonly frames: readonly Uint8Array[];
}

interface Port {
  link: number;
  up: boolean;
  present: boolean;
  listeners: Set<(frame: Uint8Array) => void>;
}

export function createFakeArpLan(): FakeArpLan {
  const ports = new Set<Port>();
  const frames: Uint8Array[] = [];

  /** Like the wire, later than `send`: in a microtask. Only ARP passes the sockets' filter. */
  const carry = (from: Port, frame: Uint8Array) => {
    frames.push(frame);
    if (frame[12] !== 0x08 || frame[13] !== 0x06) return;
    queueMicrotask(() => {
      for (const port of ports) {
        if (port === from || !port.up) continue;
        for (const listener of port.listeners) listener(frame.slice());
      }
    });
  };

  const openOn = (port: Port): ArpSockets => ({
    open(link, onFrame) {
      const refuse = (operation: string, code: string) => {
        throw new KernelError(`${operation} on the ARP socket of interface ${link}`, code);
      };
      if (link !== port.link || !port.present) refuse('bind', 'ENODEV');
      let open = true;
      const listener = (frame: Uint8Array) => open && onFrame(frame);
      port.listeners.add(listener);
      return {
        send(frame) {
          if (!open) refuse('send', 'EBADF');
          if (!port.present) refuse('send', 'ENXIO');
          if (!port.up) refuse('send', 'ENETDOWN');
          if (frame.length < headerLength) refuse('send', 'EINVAL');
          if (frame.length > headerLength + mtu) refuse('send', 'EMSGSIZE');
          carry(port, frame.slice());
        },
        [Symbol.dispose]() {
          open = false;
          port.listeners.delete(listener);
        },
      };
    },
  });

  return {
    frames,
    join(link) {
      const port: Port = { link, up: true, present: true, listeners: new Set() };
      ports.add(port);
      return {
        sockets: openOn(port),
        setUp(up) {
          port.up = up;
        },
        remove() {
          port.up = false;
          port.present = false;
        },
      };
    },
  };
}
