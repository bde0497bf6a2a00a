import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import type { ArpSocket, ArpSockets, KernelRefusal } from '../../src/kernel/ports.js';
import { until } from '../netns/poll.js';

/** A host on the LAN under test. */
export interface ArpHost {
  readonly sockets: ArpSockets;
  readonly link: number;
  setUp(up: boolean): void;
  remove(): void;
}

/** An ARP frame of a made-up host, or of another EtherType, with a mark to know it by. */
export function frameWith(mark: number, options: { etherType?: number; length?: number } = {}): Uint8Array {
  const { etherType = 0x0806, length = 60 } = options;
  const frame = new Uint8Array(Math.max(18, length)).fill(0xff, 0, 6);
  frame.set([0x02, 0, 0, 0, 0, 1, etherType >> 8, etherType & 0xff], 6);
  frame.set([mark >> 8, mark & 0xff], 16);
  return frame.subarray(0, length);
}

export function markOf(frame: Uint8Array): number {
  return ((frame[16] ?? 0) << 8) | (frame[17] ?? 0);
}

/** A socket that remembers what it received; `heard` resolves when a frame with the mark is there. */
interface Listening extends ArpSocket {
  readonly frames: Uint8Array[];
  readonly errors: KernelRefusal[];
  heard(mark: number): Promise<void>;
}

export function listen(host: ArpHost): Listening {
  const frames: Uint8Array[] = [];
  const errors: KernelRefusal[] = [];
  const onFrame = (frame: Uint8Array) => void frames.push(frame);
  const socket = host.sockets.open(host.link, onFrame, (error) => errors.push(error));
  return {
    frames,
    errors,
    send: (frame) => socket.send(frame),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
    async heard(mark) {
      await until(() => frames.some((frame) => markOf(frame) === mark), { every: 5, what: 'the frame is heard' });
    },
  };
}

/** Sends until it is heard: a link that came up a moment ago still loses frames (the kernel starts its queue a little later). */
export async function carried(from: ArpSocket, to: Listening, mark: number): Promise<void> {
  await until(
    () => {
      from.send(frameWith(mark));
      return to.frames.some((frame) => markOf(frame) === mark);
    },
    { every: 5, what: 'the frame is carried' },
  );
}

const refusal = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

/** What every implementation of ArpSockets does. `join` plugs a new host into one LAN that all tests share. */
export function arpSocketsContract(name: string, join: () => ArpHost): void {
  describe(`ArpSockets: ${name}`, () => {
    it('carries a whole frame to every other host, and never back to the sender', async () => {
      const [a, b, c] = [join(), join(), join()];
      using left = listen(a);
      using right = listen(b);
      using other = listen(c);
      using besideLeft = listen(a);
      left.send(frameWith(1));
      await Promise.all([right.heard(1), other.heard(1)]);
      right.send(frameWith(2));
      await Promise.all([left.heard(2), besideLeft.heard(2)]);
      assert.deepEqual(right.frames, [frameWith(1)]);
      assert.deepEqual(left.frames, [frameWith(2)]);
      assert.deepEqual(besideLeft.frames, [frameWith(2)]);
    });

    it('passes ARP only', async () => {
      using receiver = listen(join());
      using sender = listen(join());
      for (const etherType of [0x0800, 0x86dd, 0x0805, 0x0807, 0x0608, 0x8100])
        sender.send(frameWith(3, { etherType }));
      sender.send(frameWith(4));
      await receiver.heard(4);
      assert.deepEqual(receiver.frames.map(markOf), [4]);
    });

    it('passes frames of every length as they are, and refuses to send what is no frame', async () => {
      using receiver = listen(join());
      using sender = listen(join());
      for (const length of [41, 42, 61, 1514]) sender.send(frameWith(5, { length }));
      sender.send(frameWith(6));
      await receiver.heard(6);
      assert.deepEqual(
        receiver.frames.map((frame) => frame.length),
        [41, 42, 61, 1514, 60],
      );
      assert.throws(() => sender.send(new Uint8Array(0)), refusal('EINVAL'));
      assert.throws(() => sender.send(frameWith(7, { length: 13 })), refusal('EINVAL'));
      assert.throws(() => sender.send(frameWith(7, { length: 1515 })), refusal('EMSGSIZE'));
    });

    it('is silent while the interface is down and is heard again when it is up', async () => {
      const host = join();
      using socket = listen(host);
      using other = listen(join());
      host.setUp(false);
      assert.throws(() => socket.send(frameWith(8)), refusal('ENETDOWN'));
      host.setUp(true);
      await carried(socket, other, 9);
      await carried(other, socket, 10);
      assert.deepEqual(socket.errors, []);
    });

    it('refuses to send on an interface that is gone, and to open one that is not there', () => {
      const host = join();
      using socket = listen(host);
      host.remove();
      assert.throws(() => socket.send(frameWith(11)), refusal('ENXIO'));
      assert.throws(() => listen(host), refusal('ENODEV'));
      assert.throws(() => listen({ ...host, link: 0 }), refusal('ENODEV'));
      assert.throws(() => listen({ ...host, link: -1 }), refusal('ENODEV'));
    });

    it('hears nothing after it is disposed, also when disposed from its own callback', async () => {
      const host = join();
      using sender = listen(join());
      using witness = listen(join());
      let heard = 0;
      const socket = host.sockets.open(
        host.link,
        () => {
          heard++;
          socket[Symbol.dispose]();
        },
        () => assert.fail('no error'),
      );
      sender.send(frameWith(12));
      sender.send(frameWith(13));
      await witness.heard(13);
      using after = listen(host);
      sender.send(frameWith(14));
      await after.heard(14);
      assert.equal(heard, 1);
      assert.throws(() => socket.send(frameWith(15)), refusal('EBADF'));
      socket[Symbol.dispose]();
    });
  });
}
