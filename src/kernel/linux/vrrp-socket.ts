import type { VrrpSockets } from '../ports.js';
import { type Addon, orKernelError, refusalTo } from './addon.js';

/** Raw sockets (raw(7), ipv6(7)) in the network namespace of this process. */
export function createVrrpSockets(
  addon: Pick<Addon, 'vrrpOpen' | 'vrrpSend' | 'vrrpDrain' | 'vrrpClose'>,
): VrrpSockets {
  return {
    open({ link, family, virtualRouterId, group }, onPacket, onError) {
      const where = `the IPv${family} VRRP socket of interface ${link}`;
      const failed = refusalTo(onError, where);
      const socket = orKernelError(where, () => addon.vrrpOpen(link, family, virtualRouterId, group, onPacket, failed));
      return {
        send: (packet) => orKernelError(where, () => addon.vrrpSend(socket, packet)),
        drain: () => addon.vrrpDrain(socket),
        [Symbol.dispose]: () => addon.vrrpClose(socket),
      };
    },
  };
}
