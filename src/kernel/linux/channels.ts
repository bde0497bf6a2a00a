import { lstatSync, renameSync, rmSync } from 'node:fs';
import { KernelError } from '../errors.js';
import type { Channel, ChannelEvents, Channels } from '../ports.js';
import { type Addon, type Handle, orKernelError, refusalTo } from './addon.js';
import { descriptorOf, handleOf } from './descriptor.js';

type ChannelAddon = Pick<Addon, 'descriptorClose' | (keyof Addon & `channel${string}`)>;

const peersAtMost = 8;

/** Unix sockets of type SOCK_SEQPACKET, on the event loop. */
export function createChannels(addon: ChannelAddon): Channels {
  /** @param onClosed runs once, however it ends */
  function open(peer: Handle, where: string, events: ChannelEvents, onClosed = () => {}): Channel {
    let isOpen = true;
    const close = () => {
      if (isOpen) onClosed();
      isOpen = false;
    };
    const failed = refusalTo((because) => {
      close();
      events.onEnd(because, channel);
    }, where);
    const socket = orKernelError(where, () =>
      addon.channelOpen(
        peer,
        ({ payload, descriptors }) =>
          events.onMessage({ payload, descriptors: descriptors.map((one) => descriptorOf(addon, one)) }, channel),
        failed,
      ),
    );
    const channel: Channel = {
      send(payload, descriptors = []) {
        orKernelError(where, () => addon.channelSend(socket, payload, descriptors.map(handleOf)));
      },
      [Symbol.dispose]() {
        addon.channelClose(socket);
        close();
      },
    };
    return channel;
  }

  return {
    listen(path, events, onError) {
      let peers = 0;
      const onPeer = (peer: Handle) => {
        if (peers >= peersAtMost) return addon.descriptorClose(peer);
        open(peer, path, events, () => peers--);
        peers++;
      };
      // Renamed when it listens: whoever knocks meanwhile reaches the one before, or this one.
      const beside = `${path}.new`;
      for (const name of [beside, path]) assertReplaceable(name);
      rmSync(beside, { force: true });
      const socket = orKernelError(path, () => addon.channelListen(beside, onPeer, refusalTo(onError, path)));
      const own = lstatSync(beside).ino;
      renameSync(beside, path);
      return {
        [Symbol.dispose]() {
          addon.channelClose(socket);
          if (lstatSync(path, { throwIfNoEntry: false })?.ino === own) rmSync(path, { force: true });
        },
      };
    },
    connect: (path, events) =>
      open(
        orKernelError(path, () => addon.channelConnect(path)),
        path,
        events,
      ),
  };
}

/** Throws unless a socket may be put there. */
function assertReplaceable(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket()) throw new KernelError(`listening on ${path}`, 'EEXIST');
}
