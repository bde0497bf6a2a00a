// A relay that takes the listener over from the process before it, and hands it on to the next. Arguments: the path where processes meet, the
// backend's port, and `first`, or the listener's port. Says `ready`, begins when told `go`, says `leads` and its port; ends when it was taken over and
// its last connection is over, and says how its connections ended.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createChannels } from '../../src/kernel/linux/channels.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import type { Channel, RelayListener } from '../../src/kernel/ports.js';
import { millis } from '../../src/time/instant.js';
import { loopback, timeout as usual } from './relay-peers.js';

const [path = '', backend = '', place = ''] = process.argv.slice(2);
const addon = loadAddon();
const channels = createChannels(addon);
const relay = createRelay(addon);
const words = {
  encode: (word: string) => new TextEncoder().encode(word),
  decode: (bytes: Uint8Array) => String(Buffer.from(bytes)),
};

const input = createInterface({ input: process.stdin });
console.log('ready');
await once(input, 'line');
input.close();
process.stdin.unref();
const listener =
  place === 'first' ? relay.listen({ ip: loopback, port: 0, freebind: false }) : await takeOver(Number(place));
if (place === 'first') serve(listener);
const door = channels.listen(
  path,
  { onMessage: ({ payload }, peer) => answer(words.decode(payload), peer), onEnd: () => {} },
  fail,
);
console.log(`leads ${listener.port}`);

function serve(listener: RelayListener): void {
  listener.setBackends([{ name: 'a', ip: loopback, port: Number(backend), weight: 1 }], {
    ...usual,
    connectTimeout: millis(5000),
  });
}

function fail(because: unknown): never {
  console.error(because);
  process.exit(1);
}

/** As the heir: asks for the socket, adopts it, serves, says so, and waits until the one before has left. */
function takeOver(port: number): Promise<RelayListener> {
  return new Promise((resolve) => {
    let adopted: RelayListener | undefined;
    const peer = channels.connect(path, {
      onMessage({ descriptors: [descriptor] }) {
        if (descriptor !== undefined) {
          adopted = relay.adopt(descriptor, { ip: loopback, port });
          descriptor[Symbol.dispose]();
          serve(adopted);
          peer.send(words.encode('serving'));
        } else if (adopted !== undefined) {
          peer[Symbol.dispose]();
          resolve(adopted);
        }
      },
      onEnd: fail,
    });
    peer.send(words.encode('take'));
  });
}

/** As the one before. */
function answer(word: string, peer: Channel): void {
  if (word === 'take') {
    using copy = listener.descriptor();
    peer.send(words.encode('listener'), [copy]);
  }
  if (word !== 'serving') return;
  listener.leave();
  const wait = setInterval(() => {
    const { accepts, connections } = listener.stats();
    if (accepts) return;
    clearInterval(wait);
    // Before the word, since the heir puts its own there then.
    door[Symbol.dispose]();
    peer.send(words.encode('left'));
    console.log(`left with ${connections}`);
    const end = setInterval(() => {
      const { connections, endings } = listener.stats();
      if (connections > 0) return;
      clearInterval(end);
      console.log(JSON.stringify(Object.fromEntries(Object.entries(endings).filter(([, count]) => count > 0))));
      process.exit(0);
    }, 10);
  }, 1);
}
