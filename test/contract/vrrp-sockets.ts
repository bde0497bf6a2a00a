import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KernelError } from '../../src/kernel/errors.js';
import type { KernelRefusal, VrrpSocket, VrrpSockets } from '../../src/kernel/ports.js';
import { type Family, familyOf, type Ip } from '../../src/net/ip.js';
import { decodeIpPacket, encodeIpPacket } from '../../src/net/ip-packet.js';
import { groupOf } from '../../src/vrrp/config.js';
import { vrrpProtocol } from '../../src/vrrp/packet.js';
import { until } from '../netns/poll.js';

/** A host on the LAN under test. */
export interface VrrpHost {
  readonly sockets: VrrpSockets;
  readonly link: number;
  /** Of the family under test. */
  readonly ip: Ip;
  setUp(up: boolean): void;
}

/** A message of a virtual router with a mark to know it by. */
export function packetWith(
  from: Ip,
  mark: number,
  { to = groupOf(familyOf(from)), vrid = 51, hopLimit = 255 }: { to?: Ip; vrid?: number; hopLimit?: number } = {},
): Uint8Array {
  const payload = Uint8Array.of(0x31, vrid, mark, 0, 0, 100, 0, 0);
  return encodeIpPacket({
    source: from,
    destination: to,
    hopLimit,
    payload,
    protocol: vrrpProtocol,
    trafficClass: 0xc0,
  });
}

interface Listening extends VrrpSocket {
  readonly packets: Uint8Array[];
  readonly errors: KernelRefusal[];
  marks(): readonly (number | undefined)[];
  heard(mark: number): Promise<void>;
}

/** A socket that remembers what it received. */
export function listenVrrp(host: VrrpHost, { vrid = 51, group = true } = {}): Listening {
  const packets: Uint8Array[] = [];
  const errors: KernelRefusal[] = [];
  const socket = host.sockets.open(
    { link: host.link, family: familyOf(host.ip), virtualRouterId: vrid, group },
    (packet) => void packets.push(packet),
    (error) => errors.push(error),
  );
  const marks = () => packets.map((packet) => packet.at(-6));
  return {
    packets,
    errors,
    marks,
    send: (packet) => socket.send(packet),
    drain: () => socket.drain(),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
    heard: async (mark) => void (await until(() => marks().includes(mark), { every: 5, what: `packet ${mark}` })),
  };
}

/** What every implementation of VrrpSockets does. `join` plugs a new host into one LAN that all tests share. */
export function vrrpSocketsContract(name: string, family: Family, join: () => VrrpHost): void {
  const refusal = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

  describe(`VrrpSockets: ${name}, IPv${family}`, () => {
    it('carries a whole packet to every member of the group, and never back to the sender', async () => {
      const [a, b, c] = [join(), join(), join()];
      using left = listenVrrp(a);
      using right = listenVrrp(b);
      using other = listenVrrp(c);
      using besideLeft = listenVrrp(a);
      left.send(packetWith(a.ip, 1));
      await Promise.all([right.heard(1), other.heard(1)]);
      right.send(packetWith(b.ip, 2));
      await Promise.all([left.heard(2), besideLeft.heard(2)]);
      assert.deepEqual(left.marks(), [2]);
      assert.deepEqual(besideLeft.marks(), [2]);
      const read = decodeIpPacket(right.packets[0] as Uint8Array);
      const sent = decodeIpPacket(packetWith(a.ip, 1));
      assert.ok(sent.ok);
      assert.deepEqual(read, sent);
    });

    it('tells the hop limit with which a packet came', async () => {
      const [a, b] = [join(), join()];
      using sender = listenVrrp(a);
      using receiver = listenVrrp(b);
      for (const hopLimit of [1, 64, 254]) sender.send(packetWith(a.ip, hopLimit, { hopLimit }));
      await receiver.heard(254);
      const limits = receiver.packets.map((packet) => {
        const read = decodeIpPacket(packet);
        return read.ok ? read.value.hopLimit : undefined;
      });
      assert.deepEqual(limits, [1, 64, 254]);
    });

    it('passes one virtual router only', async () => {
      const [a, b] = [join(), join()];
      using sender = listenVrrp(a);
      using receiver = listenVrrp(b);
      using other = listenVrrp(b, { vrid: 7 });
      for (const vrid of [1, 50, 52, 255]) sender.send(packetWith(a.ip, 3, { vrid }));
      sender.send(packetWith(a.ip, 4, { vrid: 7 }));
      sender.send(packetWith(a.ip, 5));
      await Promise.all([receiver.heard(5), other.heard(4)]);
      assert.deepEqual(receiver.marks(), [5]);
      assert.deepEqual(other.marks(), [4]);
    });

    it('carries a packet to one host, and outside of the group nothing else is heard', async () => {
      const [a, b, c] = [join(), join(), join()];
      using sender = listenVrrp(a, { group: false });
      using receiver = listenVrrp(b, { group: false });
      using stranger = listenVrrp(c, { group: false });
      await until(
        () => {
          sender.send(packetWith(a.ip, 6, { to: b.ip }));
          return receiver.marks().includes(6);
        },
        { every: 5, what: 'the packet to one host' },
      );
      sender.send(packetWith(a.ip, 7));
      sender.send(packetWith(a.ip, 8, { to: b.ip }));
      await receiver.heard(8);
      assert.ok(!receiver.marks().includes(7));
      assert.deepEqual(stranger.marks(), []);
    });

    it('hands over everything that was received before drain returns', async () => {
      const [a, b] = [join(), join()];
      using sender = listenVrrp(a);
      using receiver = listenVrrp(b);
      // No turn of the event loop in between: a process that was stopped and wakes with a timer that is due.
      for (let mark = 1; mark <= 100; mark++) sender.send(packetWith(a.ip, mark));
      receiver.drain();
      assert.deepEqual(
        receiver.marks(),
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      receiver.drain();
      assert.equal(receiver.packets.length, 100);
    });

    it('is silent while the interface is down and is heard again when it is up', async () => {
      const [a, b] = [join(), join()];
      using socket = listenVrrp(a);
      using other = listenVrrp(b);
      a.setUp(false);
      assert.throws(
        () => socket.send(packetWith(a.ip, 9)),
        (error) => error instanceof KernelError,
      );
      a.setUp(true);
      const carried = (from: Listening, source: Ip, to: Listening, mark: number) =>
        until(
          () => {
            try {
              from.send(packetWith(source, mark));
            } catch {
              // The kernel takes a moment until the address can be used again.
            }
            return to.marks().includes(mark);
          },
          { every: 5, what: `packet ${mark}` },
        );
      await carried(socket, a.ip, other, 10);
      await carried(other, b.ip, socket, 11);
      assert.deepEqual(socket.errors, []);
    });

    it('refuses what is no packet, and an interface that is not there', () => {
      const host = join();
      using socket = listenVrrp(host);
      for (const length of [0, 1, 10]) assert.throws(() => socket.send(new Uint8Array(length)), refusal('EINVAL'));
      for (const link of [0, -1, 999_999]) assert.throws(() => listenVrrp({ ...host, link }), refusal('ENODEV'));
    });

    it('hears nothing after it is disposed', async () => {
      const [a, b] = [join(), join()];
      using sender = listenVrrp(a);
      using witness = listenVrrp(b);
      const socket = listenVrrp(b);
      sender.send(packetWith(a.ip, 12));
      await Promise.all([witness.heard(12), socket.heard(12)]);
      socket[Symbol.dispose]();
      sender.send(packetWith(a.ip, 13));
      await witness.heard(13);
      socket.drain();
      assert.deepEqual(socket.marks(), [12]);
      assert.throws(() => socket.send(packetWith(b.ip, 14)), refusal('EBADF'));
      socket[Symbol.dispose]();
    });
  });
}
