import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import type { Link, NetworkChange } from '../ports.js';
import { decodeMessages, type NetlinkMessage } from './netlink-message.js';
import { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from './netlink-socket.js';
import { decodeAddress, decodeLink, routeGroup, routeMessage } from './rtnetlink-message.js';

/** Asked for; the kernel gives at most net.core.rmem_max. */
const receiveBuffer = 8 * 1024 * 1024;
const reopenInterval = millis(1000);

/**
 * Reports changes of addresses and links until disposed. An address or a link that was there before is reported once more
 * when it is first mentioned; after that refreshed lifetimes and unchanged links are not. When the socket fails it is opened anew
 * and `overrun` is reported.
 */
export function watchNetwork(clock: Clock, onChange: (change: NetworkChange) => void): Disposable {
  let socket: NetlinkSocket | undefined;
  let retry: Disposable | undefined;
  let disposed = false;
  let news = createNews();

  const report = (change: NetworkChange) => {
    // In a turn of its own: what a listener throws must not pass through the package's C++ frames.
    queueMicrotask(() => {
      if (!disposed) onChange(change);
    });
  };
  const subscribe = () => {
    news = createNews();
    try {
      socket = openNetlinkSocket(
        netlinkProtocol.route,
        { groups: Object.values(routeGroup), receiveBuffer },
        (datagram) => {
          const messages = decodeMessages(datagram);
          if (!messages.ok) report({ kind: 'overrun' });
          else for (const change of messages.value.flatMap(news)) report(change);
        },
        restart,
      );
    } catch {
      // No file descriptor or no memory left.
      retry = clock.at(plus(clock.now(), reopenInterval), restart);
    }
  };
  const restart = () => {
    socket?.[Symbol.dispose]();
    socket = undefined;
    subscribe();
    if (socket !== undefined) report({ kind: 'overrun' });
  };
  subscribe();
  return {
    [Symbol.dispose]() {
      disposed = true;
      retry?.[Symbol.dispose]();
      socket?.[Symbol.dispose]();
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
