import type { Readable } from 'node:stream';
import { type ArpPacket, decodeArp } from '../../src/arp/packet.js';
import type { Host } from '../../src/lab/network.js';
import { decodeEthernet } from '../../src/net/ethernet.js';
import { until } from './poll.js';

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

const fileHeader = 24;
const recordHeader = 16;

/** Captures from the promise's end on, until the network is disposed of. */
export async function captureArp(host: Host): Promise<ArpCapture> {
  const packets: CapturedArp[] = [];
  const options = ['-i', 'eth0', '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', '-', 'arp'];
  const child = host.spawn('tcpdump', options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let started = false;
  readPcap(child.stdout as Readable, (at, frame) => {
    const ethernet = decodeEthernet(frame);
    const arp = ethernet.ok ? decodeArp(ethernet.value.payload) : undefined;
    if (arp?.ok) packets.push({ at, ...arp.value });
  });
  child.stderr?.on('data', (text: Buffer) => {
    started ||= text.includes('listening on');
  });
  await until(() => started, { what: `tcpdump on ${host.name}` });
  return {
    packets,
    announcements: (ip, from) =>
      packets.filter(
        (packet) =>
          packet.senderIp === ip && packet.targetIp === ip && (from === undefined || packet.senderMac === from.mac),
      ),
  };
}

/** pcap file format, microsecond variant, this machine's byte order (little-endian on all that Debian builds tests on). */
function readPcap(stream: Readable, onFrame: (at: number, frame: Uint8Array) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  let skip = fileHeader;
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    if (pending.length < skip) return;
    pending = pending.subarray(skip);
    skip = 0;
    while (pending.length >= recordHeader) {
      const length = pending.readUInt32LE(8);
      if (pending.length < recordHeader + length) return;
      const at = pending.readUInt32LE(0) * 1000 + pending.readUInt32LE(4) / 1000;
      onFrame(at, pending.subarray(recordHeader, recordHeader + length));
      pending = pending.subarray(recordHeader + length);
    }
  });
}
