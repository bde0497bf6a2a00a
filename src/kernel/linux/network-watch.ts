import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import type { Link, NetworkChange } from '../ports.js';
import type { Addon, Handle } from './addon.js';
import { decodeMessages, type NetlinkMessage } from './netlink-message.js';
import { decodeAddress, decodeLink, routeMessage } from './rtnetlink-message.js';

const reopenInterval = millis(1000);

/**
 * Reports changes of addresses and links until disposed. An address or a link that was there before is reported once more
 * when it is first mentioned; after that refreshed lifetimes and unchanged links are not. When the socket fails, which it does when
 * the kernel drops notifications, it is opened anew and `overrun` is reported.
 *
 * The addon's socket, because an overrun makes the package `netlink` abort the process: libuv reports it as a failed poll, and the
 * package throws through libuv's frames on its way to the `error` event.
 */
export function watchNetwork(
  addon: Pick<Addon, 'routeOpen' | 'routeClose'>,
  clock: Clock,
  onChange: (change: NetworkChange) => void,
): Disposable {
  let socket: Handle | undefined;
  let retry: Disposable | undefined;
  let disposed = false;

  const subscribe = () => {
    const news = createNews();
    const take = (datagram: Uint8Array) => {
      const messages = decodeMessages(datagram);
      const changes = messages.ok ? messages.value.flatMap(news) : [{ kind: 'overrun' } as const];
      for (const change of changes) if (!disposed) onChange(change);
    };
    try {
      socket = addon.routeOpen(take, restart);
    } catch {
      // No file descriptor or no memory left.
      retry = clock.at(plus(clock.now(), reopenInterval), restart);
    }
  };
  const restart = () => {
    socket = undefined;
    subscribe();
    if (socket !== undefined) onChange({ kind: 'overrun' });
  };
  subscribe();
  return {
    [Symbol.dispose]() {
      disposed = true;
      retry?.[Symbol.dispose]();
      if (socket !== undefined) addon.routeClose(socket);
    },
  };
}

/** Turns notifications into changes: rtnetlink says "new address" for a refreshed lifetime, and "new link" for any counter. */
function createNews(): (message: NetlinkMessage) => readonly NetworkChange[] {
  const addresses = new Set<string>();
  const links = new Map<number, Link>();
  return ({ type, payload }) => {
    switch (type) {
      case routeMessage.newAddress:
      case routeMessage.deleteAddress: {
        const entry = decodeAddress(payload);
        if (!entry.ok) return [];
        const { ip, prefixLength, link } = entry.value;
        const key = `${link} ${ip}/${prefixLength}`;
        if (type === routeMessage.deleteAddress) {
          addresses.delete(key);
          return [{ kind: 'address-removed', ip, link }];
        }
        if (addresses.has(key)) return [];
        addresses.add(key);
        return [{ kind: 'address-added', address: entry.value }];
      }
      case routeMessage.newLink:
      case routeMessage.deleteLink: {
        const entry = decodeLink(payload);
        if (!entry.ok) return [];
        const link = entry.value;
        if (type === routeMessage.deleteLink) {
          links.delete(link.index);
          return [{ kind: 'link-removed', index: link.index }];
        }
        const known = links.get(link.index);
        links.set(link.index, link);
        const same = known?.name === link.name && known.mac === link.mac && known.up === link.up;
        return same ? [] : [{ kind: 'link', link }];
      }
      default:
        return [];
    }
  };
}
