import type { Readable } from 'node:stream';
import type { Host } from '../../src/lab/network.js';
import { decodeEthernet, type EthernetFrame } from '../../src/net/ethernet.js';
import { until } from './poll.js';

const fileHeader = 24;
const recordHeader = 16;

/**
 * Captures what goes in or out of the host's eth0 from the promise's end on, until the network is disposed of.
 * @param filter as tcpdump takes it
 * @param onFrame gets the wall clock of the kernel too, in milliseconds since 1970
 */
export async function captureFrames(
  host: Host,
  filter: string,
  onFrame: (at: number, frame: EthernetFrame) => void,
): Promise<void> {
  const options = ['-i', 'eth0', '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', '-', filter];
  const child = host.spawn('tcpdump', options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let started = false;
  readPcap(child.stdout as Readable, (at, bytes) => {
    const frame = decodeEthernet(bytes);
    if (frame.ok) onFrame(at, frame.value);
  });
  child.stderr?.on('data', (text: Buffer) => {
    started ||= text.includes('listening on');
  });
  await until(() => started, { what: `tcpdump on ${host.name}` });
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
