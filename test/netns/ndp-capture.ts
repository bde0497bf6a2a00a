import type { Host } from '../../src/lab/network.js';
import { decodeNdp, type NdpPacket, type NeighbourAdvertisement } from '../../src/ndp/packet.js';
import type { Mac } from '../../src/net/mac.js';
import { captureFrames } from './frame-capture.js';

/** One message of neighbour discovery on the wire, in or out of the host's eth0. */
export type Captured<P extends NdpPacket> = P & {
  /** Wall clock, milliseconds since 1970, taken by the kernel. */
  readonly at: number;
  readonly sender: Mac;
};

export interface NdpCapture {
  readonly packets: readonly Captured<NdpPacket>[];
  /** The unsolicited advertisements of `ip` that one host sent, its kernel's answers to probes among them. */
  announcements(ip: string, from: Host): readonly Captured<NeighbourAdvertisement>[];
}

/** Captures from the promise's end on, until the network is disposed of. */
export async function captureNdp(host: Host): Promise<NdpCapture> {
  const packets: Captured<NdpPacket>[] = [];
  await captureFrames(host, 'icmp6', (at, frame) => {
    const packet = decodeNdp(frame.payload);
    if (packet.ok) packets.push({ at, sender: frame.source, ...packet.value });
  });
  return {
    packets,
    announcements: (ip, from) =>
      packets
        .filter((packet) => packet.kind === 'advertisement')
        .filter((packet) => packet.target === ip && packet.sender === from.mac && !packet.solicited),
  };
}
