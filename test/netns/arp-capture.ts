import { type ArpPacket, decodeArp } from '../../src/arp/packet.js';
import type { Host } from '../../src/lab/network.js';
import { captureFrames } from './frame-capture.js';

/** One ARP packet on the wire, in or out of the host's eth0. */
export interface CapturedArp extends ArpPacket {
  /** Wall clock, milliseconds since 1970, taken by the kernel. */
  readonly at: number;
}

export interface ArpCapture {
  readonly packets: readonly CapturedArp[];
  /** Those that announce `ip` (its own sender and target address), from one host or from anybody. */
  announcements(ip: string, from?: Host): readonly CapturedArp[];
}

/** Captures from the promise's end on, until the network is disposed of. */
export async function captureArp(host: Host): Promise<ArpCapture> {
  const packets: CapturedArp[] = [];
  await captureFrames(host, 'arp', (at, frame) => {
    const packet = decodeArp(frame.payload);
    if (packet.ok) packets.push({ at, ...packet.value });
  });
  return {
    packets,
    announcements: (ip, from) =>
      packets.filter(
        (packet) =>
          packet.senderIp === ip && packet.targetIp === ip && (from === undefined || packet.senderMac === from.mac),
      ),
  };
}
