import { etherTypeArp, etherTypeIpv6 } from '../../net/ethernet.js';
import { ipBytes } from '../../net/ip.js';
import type { PacketSockets } from '../ports.js';
import { type Addon, orKernelError, refusalTo } from './addon.js';

const etherTypes = { arp: etherTypeArp, ndp: etherTypeIpv6 } as const;

/**
 * Sockets of AF_PACKET (packet(7)) in the network namespace of this process. While the interface is down, or after it is gone, a
 * socket is silent and `send` throws `ENETDOWN` or `ENXIO`; it is heard again by itself when the interface is up.
 */
export function createPacketSockets(addon: Pick<Addon, 'packetOpen' | 'packetSend' | 'packetClose'>): PacketSockets {
  return {
    open({ link, protocol, groups }, onFrame, onError) {
      const where = `the ${protocol.toUpperCase()} socket of interface ${link}`;
      const failed = refusalTo(onError, where);
      const socket = orKernelError(where, () =>
        addon.packetOpen(link, etherTypes[protocol], groups.map(ipBytes), onFrame, failed),
      );
      return {
        send: (frame) => orKernelError(where, () => addon.packetSend(socket, frame)),
        [Symbol.dispose]: () => addon.packetClose(socket),
      };
    },
  };
}
