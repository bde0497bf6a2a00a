import { writeUint16 } from './bytes.js';
import { internetChecksum } from './checksum.js';
import { familyOf, type Ip, ipBytes } from './ip.js';

/** A TCP segment that carries an acknowledgement, perhaps a timestamp and a zero byte (RFC 9293 section 3.1, RFC 7323 section 3.2). */
export interface TcpAcknowledgement {
  readonly source: { readonly ip: Ip; readonly port: number };
  /** Of the source's address family. */
  readonly destination: { readonly ip: Ip; readonly port: number };
  /** 32-bit numbers. */
  readonly sequence: number;
  readonly acknowledged: number;
  readonly timestamp: number | undefined;
  readonly hasByte: boolean;
}

const protocolTcp = 6;
const hopLimit = 64;
const ackFlag = 0x10;
const headerLength = 20;
/** With two bytes that fill it up to words of four. */
const timestampLength = 12;

/** The whole IP packet. */
export function encodeTcpAcknowledgement(segment: TcpAcknowledgement): Uint8Array {
  const source = ipBytes(segment.source.ip);
  const destination = ipBytes(segment.destination.ip);
  const tcp = encodeSegment(segment);
  // Pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1): for lengths below 65536 both sum up the same.
  const pseudo = Uint8Array.of(0, protocolTcp, 0, tcp.length);
  writeUint16(tcp, 16, internetChecksum(source, destination, pseudo, tcp));
  const header = familyOf(segment.source.ip) === 4 ? ipv4Header(tcp.length) : ipv6Header(tcp.length);
  const packet = Uint8Array.of(...header, ...source, ...destination, ...tcp);
  if (familyOf(segment.source.ip) === 4) writeUint16(packet, 10, internetChecksum(packet.subarray(0, 20)));
  return packet;
}

function encodeSegment(segment: TcpAcknowledgement): Uint8Array {
  const { source, destination, sequence, acknowledged, timestamp, hasByte } = segment;
  const dataOffset = headerLength + (timestamp === undefined ? 0 : timestampLength);
  const bytes = new Uint8Array(dataOffset + (hasByte ? 1 : 0));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, source.port);
  view.setUint16(2, destination.port);
  view.setUint32(4, sequence);
  view.setUint32(8, acknowledged);
  bytes[12] = (dataOffset / 4) << 4;
  bytes[13] = ackFlag;
  view.setUint16(14, 0xffff);
  if (timestamp !== undefined) {
    // No-operation twice, then timestamps: kind 8, length 10, value, echo.
    bytes.set([1, 1, 8, 10], headerLength);
    view.setUint32(headerLength + 4, timestamp);
  }
  return bytes;
}

/** Up to the addresses; a packet that may not be fragmented needs no identification (RFC 6864). */
function ipv4Header(payloadLength: number): Uint8Array {
  return Uint8Array.of(0x45, 0, 0, 20 + payloadLength, 0, 0, 0x40, 0, hopLimit, protocolTcp, 0, 0);
}

function ipv6Header(payloadLength: number): Uint8Array {
  return Uint8Array.of(0x60, 0, 0, 0, 0, payloadLength, protocolTcp, hopLimit);
}
