import { KernelError } from '../../src/kernel/errors.js';
import type { VrrpSocket, VrrpSockets } from '../../src/kernel/ports.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { decodeIpPacket } from '../../src/net/ip-packet.js';
import { groupOf } from '../../src/vrrp/config.js';

/** One host's place on the simulated LAN. */
export interface FakeVrrpHost {
  readonly sockets: VrrpSockets;
  /** The addresses at which it is reached. */
  readonly ips: readonly Ip[];
  /** The interface goes down or up again. */
  setUp(up: boolean): void;
  /** While stopped its process reads nothing: what comes waits in the receive queue. */
  setStopped(stopped: boolean): void;
}

/** A simulated LAN for VRRP: groups reach every host that joined, other destinations who has the address. */
export interface FakeVrrpLan {
  /** Plugs in a host whose interface on this LAN has index `link`. */
  join(link: number, ips: readonly Ip[]): FakeVrrpHost;
  /** Every packet that was sent, in order. */
  readonly packets: readonly Uint8Array[];
}

interface Socket {
  readonly family: Family;
  readonly virtualRouterId: number;
  readonly group: boolean;
  readonly queue: Uint8Array[];
  drain(): void;
}

interface Port {
  readonly ips: readonly Ip[];
  up: boolean;
  stopped: boolean;
  readonly sockets: Set<Socket>;
}

const queueLength = 300;

export function createFakeVrrpLan(): FakeVrrpLan {
  const ports = new Set<Port>();
  const packets: Uint8Array[] = [];

  /** Into the queues at once; the process is told later, in a microtask, unless it looks before. */
  function carry(from: Port, packet: Uint8Array, destination: Ip, family: Family): void {
    packets.push(packet);
    for (const port of ports) {
      if (port === from || !port.up) continue;
      for (const socket of port.sockets) {
        const isFor = destination === groupOf(family) ? socket.group : port.ips.includes(destination);
        if (!isFor || socket.family !== family || vridOf(packet, family) !== socket.virtualRouterId) continue;
        if (socket.queue.length < queueLength) socket.queue.push(packet.slice());
        queueMicrotask(() => port.stopped || socket.drain());
      }
    }
  }

  function openOn(port: Port, ownLink: number): VrrpSockets {
    return {
      open({ link, family, virtualRouterId, group }, onPacket): VrrpSocket {
        const where = `the IPv${family} VRRP socket of interface ${link}`;
        if (link !== ownLink) throw new KernelError(`setsockopt SO_BINDTOIFINDEX on ${where}`, 'ENODEV');
        let open = true;
        const queue: Uint8Array[] = [];
        const socket: Socket = {
          family,
          virtualRouterId,
          group,
          queue,
          drain() {
            for (let packet = queue.shift(); open && packet !== undefined; packet = queue.shift()) onPacket(packet);
          },
        };
        port.sockets.add(socket);
        return {
          send(packet) {
            const refuse = (code: string) => {
              throw new KernelError(`send on ${where}`, code);
            };
            if (!open) refuse('EBADF');
            const read = decodeIpPacket(packet);
            if (!read.ok) return refuse('EINVAL');
            if (!port.up) refuse('ENETUNREACH');
            carry(port, packet.slice(), read.value.destination, family);
          },
          drain: () => socket.drain(),
          [Symbol.dispose]() {
            open = false;
            port.sockets.delete(socket);
          },
        };
      },
    };
  }

  return {
    packets,
    join(link, ips) {
      const port: Port = { ips, up: true, stopped: false, sockets: new Set() };
      ports.add(port);
      return {
        sockets: openOn(port, link),
        ips,
        setUp(up) {
          port.up = up;
        },
        setStopped(stopped) {
          port.stopped = stopped;
        },
      };
    },
  };
}

function vridOf(packet: Uint8Array, family: Family): number | undefined {
  return packet[(family === 4 ? ((packet[0] ?? 0) & 0x0f) * 4 : 40) + 1];
}
