import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import type { KernelRefusal, PacketProtocol, PacketSocket, PacketSockets } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';
import { until } from '../netns/poll.js';

/** A host on the LAN under test. */
export interface LanHost {
  readonly sockets: PacketSockets;
  readonly link: number;
  /** What is spoken on its sockets. */
  readonly protocol: PacketProtocol;
  setUp(up: boolean): void;
  remove(): void;
}

/** What makes a frame one of the protocol, and what a frame of another protocol has there. */
const kinds: Readonly<
  Record<PacketProtocol, { readonly own: Kind; readonly others: readonly Kind[]; readonly shortest: number }>
> = {
  arp: {
    own: { etherType: 0x0806 },
    others: [0x0800, 0x86dd, 0x0805, 0x0807, 0x0608, 0x8100].map((etherType) => ({ etherType })),
    shortest: 41,
  },
  ndp: {
    own: { etherType: 0x86dd, nextHeader: 58, type: 136 },
    others: [
      ...[0x0800, 0x0806, 0x86dc].map((etherType) => ({ etherType, nextHeader: 58, type: 136 })),
      ...[0, 6, 44, 59].map((nextHeader) => ({ etherType: 0x86dd, nextHeader, type: 136 })),
      ...[128, 133, 134, 137].map((type) => ({ etherType: 0x86dd, nextHeader: 58, type })),
    ],
    shortest: 55,
  },
};

interface Kind {
  readonly etherType: number;
  /** Of IPv6, and the type of ICMPv6. */
  readonly nextHeader?: number;
  readonly type?: number;
}

/** A frame of a made-up host with a mark to know it by; it is one of the protocol, or of the given kind. */
export function frameWith(
  protocol: PacketProtocol,
  mark: number,
  { kind = kinds[protocol].own, length = 60 }: { kind?: Kind; length?: number } = {},
): Uint8Array {
  const { etherType, nextHeader, type } = kind;
  const frame = new Uint8Array(Math.max(60, length)).fill(0xff, 0, 6);
  frame.set([0x02, 0, 0, 0, 0, 1, etherType >> 8, etherType & 0xff], 6);
  frame.set([mark >> 8, mark & 0xff], 16);
  // A header as bridges want it that look into IPv6 (br_netfilter): version, and the payload's length.
  if (nextHeader !== undefined) {
    frame[14] = 0x60;
    frame.set([(length - 54) >> 8, (length - 54) & 0xff, nextHeader], 18);
  }
  if (type !== undefined) frame[54] = type;
  return frame.subarray(0, length);
}

export function markOf(frame: Uint8Array): number {
  return ((frame[16] ?? 0) << 8) | (frame[17] ?? 0);
}

/** A socket that remembers what it received; `heard` resolves when a frame with the mark is there. */
interface Listening extends PacketSocket {
  readonly frames: Uint8Array[];
  readonly errors: KernelRefusal[];
  readonly protocol: PacketProtocol;
  heard(mark: number): Promise<void>;
}

/** @param groups IPv6 multicast groups to be in */
export function listen(host: LanHost, groups: readonly Ip[] = []): Listening {
  const frames: Uint8Array[] = [];
  const errors: KernelRefusal[] = [];
  const onFrame = (frame: Uint8Array) => void frames.push(frame);
  const socket = host.sockets.open({ ...host, groups }, onFrame, (error) => errors.push(error));
  return {
    frames,
    errors,
    protocol: host.protocol,
    send: (frame) => socket.send(frame),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
    async heard(mark) {
      await until(() => frames.some((frame) => markOf(frame) === mark), { every: 5, what: 'the frame is heard' });
    },
  };
}

/** Sends until it is heard: a link that came up a moment ago still loses frames (the kernel starts its queue a little later). */
export async function carried(from: PacketSocket, to: Listening, mark: number): Promise<void> {
  await until(
    () => {
      from.send(frameWith(to.protocol, mark));
      return to.frames.some((frame) => markOf(frame) === mark);
    },
    { every: 5, what: 'the frame is carried' },
  );
}

const refusal = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

/** What every implementation of PacketSockets does. `join` plugs a new host into one LAN that all tests share. */
export function packetSocketsContract(name: string, protocol: PacketProtocol, join: () => LanHost): void {
  const { others, shortest } = kinds[protocol];
  const frame = (mark: number, options: { kind?: Kind; length?: number } = {}) => frameWith(protocol, mark, options);

  describe(`PacketSockets: ${name}, ${protocol}`, () => {
    it('carries a whole frame to every other host, and never back to the sender', async () => {
      const [a, b, c] = [join(), join(), join()];
      using left = listen(a);
      using right = listen(b);
      using other = listen(c);
      using besideLeft = listen(a);
      left.send(frame(1));
      await Promise.all([right.heard(1), other.heard(1)]);
      right.send(frame(2));
      await Promise.all([left.heard(2), besideLeft.heard(2)]);
      assert.deepEqual(right.frames, [frame(1)]);
      assert.deepEqual(left.frames, [frame(2)]);
      assert.deepEqual(besideLeft.frames, [frame(2)]);
    });

    it('passes its own protocol only', async () => {
      using receiver = listen(join());
      using sender = listen(join());
      for (const kind of others) sender.send(frame(3, { kind }));
      sender.send(frame(4));
      await receiver.heard(4);
      assert.deepEqual(receiver.frames.map(markOf), [4]);
    });

    it('passes frames of every length as they are, and refuses to send what is no frame', async () => {
      using receiver = listen(join());
      using sender = listen(join());
      for (const length of [shortest, 61, 86, 1514]) sender.send(frame(5, { length }));
      sender.send(frame(6));
      await receiver.heard(6);
      assert.deepEqual(
        receiver.frames.map((received) => received.length),
        [shortest, 61, 86, 1514, 60],
      );
      assert.throws(() => sender.send(new Uint8Array(0)), refusal('EINVAL'));
      assert.throws(() => sender.send(frame(7, { length: 13 })), refusal('EINVAL'));
      assert.throws(() => sender.send(frame(7, { length: 1515 })), refusal('EMSGSIZE'));
    });

    it('is silent while the interface is down and is heard again when it is up', async () => {
      const host = join();
      using socket = listen(host);
      using other = listen(join());
      host.setUp(false);
      assert.throws(() => socket.send(frame(8)), refusal('ENETDOWN'));
      host.setUp(true);
      await carried(socket, other, 9);
      await carried(other, socket, 10);
      assert.deepEqual(socket.errors, []);
    });

    it('refuses to send on an interface that is gone, and to open one that is not there', () => {
      const host = join();
      using socket = listen(host);
      host.remove();
      assert.throws(() => socket.send(frame(11)), refusal('ENXIO'));
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
        { ...host, groups: [] },
        () => {
          heard++;
          socket[Symbol.dispose]();
        },
        () => assert.fail('no error'),
      );
      sender.send(frame(12));
      sender.send(frame(13));
      await witness.heard(13);
      using after = listen(host);
      sender.send(frame(14));
      await after.heard(14);
      assert.equal(heard, 1);
      assert.throws(() => socket.send(frame(15)), refusal('EBADF'));
      socket[Symbol.dispose]();
    });
  });
}
