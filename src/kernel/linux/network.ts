import { closeSync, openSync } from 'node:fs';
import type { Family } from '../../net/ip.js';
import type { Clock } from '../../time/clock.js';
import { KernelError } from '../errors.js';
import type { InterfaceAddress, Link, Network } from '../ports.js';
import type { Addon } from './addon.js';
import { createNetlinkQuestions, type NetlinkQuestions } from './netlink-exchange.js';
import type { NetlinkMessage, NetlinkRequest } from './netlink-message.js';
import { netlinkProtocol } from './netlink-socket.js';
import { watchNetwork } from './network-watch.js';
import {
  type DefaultRoute,
  decodeAddress,
  decodeDefaultRoute,
  decodeLink,
  encodeListAddresses,
  encodeListLinks,
  encodeListRoutes,
  encodePutAddress,
  encodeRemoveAddress,
} from './rtnetlink-message.js';

/** How often a list is asked for again that changed while the kernel listed it. */
const listAttempts = 5;

/** Addresses and interfaces of this network namespace by rtnetlink. Every request is in the kernel's hands when the call returns. */
export function createNetwork(addon: Pick<Addon, 'routeOpen' | 'routeClose'>, clock: Clock): Network {
  const kernel = createNetlinkQuestions(netlinkProtocol.route, clock);
  return {
    async links() {
      return collect<Link>(await list(kernel, 'list interfaces', encodeListLinks()), decodeLink);
    },
    async addresses() {
      return collect<InterfaceAddress>(await list(kernel, 'list addresses', encodeListAddresses()), decodeAddress);
    },
    async defaultRouteLink(family: Family) {
      const messages = await list(kernel, 'list routes', encodeListRoutes(family));
      const routes = collect<DefaultRoute>(messages, decodeDefaultRoute);
      return routes.reduce<DefaultRoute | undefined>(
        (best, route) => (best === undefined || route.metric < best.metric ? route : best),
        undefined,
      )?.link;
    },
    async putAddress(address) {
      assertFreeDescriptor();
      await kernel.ask(`put address ${address.ip}/${address.prefixLength}`, [encodePutAddress(address)]);
    },
    async removeAddress(address) {
      try {
        await kernel.ask(`remove address ${address.ip}/${address.prefixLength}`, [encodeRemoveAddress(address)]);
      } catch (error) {
        // No such address on the interface, no such interface, or none that speaks IPv6.
        if (!(error instanceof KernelError) || !['EADDRNOTAVAIL', 'ENODEV', 'ENXIO'].includes(error.code)) throw error;
      }
    },
    watch: (onChange) => watchNetwork(addon, clock, onChange),
  };
}

/**
 * Throws EMFILE. A node where none is left can check no backend and take no client: it must not go on having the VIP only because the
 * sockets for that are open.
 */
function assertFreeDescriptor(): void {
  try {
    closeSync(openSync('/', 'r'));
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new KernelError('open a file', code, { cause: error });
  }
}

async function list(
  kernel: NetlinkQuestions,
  operation: string,
  request: NetlinkRequest,
): Promise<readonly NetlinkMessage[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await kernel.ask(operation, [request]);
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'ESTALE' || attempt === listAttempts) throw error;
    }
  }
}

/** What of a list can be read; the rest is of families and kinds that vipd has no use for. */
function collect<T>(
  messages: readonly NetlinkMessage[],
  decode: (payload: Uint8Array) => { readonly ok: true; readonly value: T } | { readonly ok: false },
): readonly T[] {
  return messages.flatMap(({ payload }) => {
    const entry = decode(payload);
    return entry.ok ? [entry.value] : [];
  });
}
