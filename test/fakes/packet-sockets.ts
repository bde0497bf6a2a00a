import { KernelError } from '../../src/kernel/errors.js';
import type { PacketProtocol, PacketSockets } from '../../src/kernel/ports.js';

const headerLength = 14;
const mtu = 1500;

/** One host's place on the simulated LAN. */
export interface FakeLanHost {
  readonly sockets: PacketSockets;
  /** The interface goes down (its sockets are silent) or up again. */
  setUp(up: boolean): void;
  /** The interface is gone for good. */
  remove(): void;
}

/** A simulated Ethernet segment that carries every frame to every other host, as a switch does with broadcasts and multicasts. */
export interface FakeLan {
  /** Plugs in a host whose interface on this LAN has index `link`. */
  join(link: number): FakeLanHost;
  /** Every frame that was sent, in order. */
  readonly frames: readonly Uint8Array[];
}

interface Listener {
  readonly protocol: PacketProtocol;
  readonly onFrame: (frame: Uint8Array) => void;
}

interface Port {
  link: number;
  up: boolean;
  present: boolean;
  listeners: Set<Listener>;
}

export function createFakeLan(): FakeLan {
  const ports = new Set<Port>();
  const frames: Uint8Array[] = [];

  /** Like the wire, later than `send`: in a microtask. */
  const carry = (from: Port, frame: Uint8Array) => {
    frames.push(frame);
    queueMicrotask(() => {
      for (const port of ports) {
        if (port === from || !port.up) continue;
        for (const { protocol, onFrame } of port.listeners) if (passes(protocol, frame)) onFrame(frame.slice());
      }
    });
  };

  const openOn = (port: Port): PacketSockets => ({
    open({ link, protocol }, onFrame) {
      const refuse = (operation: string, code: string) => {
        throw new KernelError(`${operation} on the ${protocol.toUpperCase()} socket of interface ${link}`, code);
      };
      if (link !== port.link || !port.present) refuse('bind', 'ENODEV');
      let open = true;
      const listener: Listener = { protocol, onFrame: (frame) => open && onFrame(frame) };
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

/** The sockets' filter. */
function passes(protocol: PacketProtocol, frame: Uint8Array): boolean {
  const etherType = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  if (protocol === 'arp') return etherType === 0x0806;
  return etherType === 0x86dd && frame[20] === 58 && [135, 136].includes(frame[54] ?? 0);
}
