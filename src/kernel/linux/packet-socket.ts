import { KernelError } from '../errors.js';
import type { ArpSockets } from '../ports.js';
import { type Addon, kernelError, orKernelError } from './addon.js';

/**
 * ARP sockets of AF_PACKET (packet(7)) in the network namespace of this process. While the interface is down, or after it is
 * gone, a socket is silent and `send` throws `ENETDOWN` or `ENXIO`; it is heard again by itself when the interface is up.
 */
export function createArpSockets(addon: Pick<Addon, 'packetOpen' | 'packetSend' | 'packetClose'>): ArpSockets {
  return {
    open(link, onFrame, onError) {
      const where = `the ARP socket of interface ${link}`;
      const failed = (error: Error) => {
        const refused = kernelError(error, where);
        if (!(refused instanceof KernelError)) throw refused;
        onError(refused);
      };
      const socket = orKernelError(where, () => addon.packetOpen(link, onFrame, failed));
      return {
        send: (frame) => orKernelError(where, () => addon.packetSend(socket, frame)),
        [Symbol.dispose]: () => addon.packetClose(socket),
      };
    },
  };
}
