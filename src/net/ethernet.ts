import { type Decoded, decoded, readUint16, refused, writeUint16 } from './bytes.js';
import { type Mac, macBytes, macFromBytes } from './mac.js';

/** An Ethernet II frame (IEEE 802.3 clause 3.2.6, length/type read as a type). */
export interface EthernetFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
  readonly payload: Uint8Array;
}

export const etherTypeArp = 0x0806;
export const etherTypeIpv6 = 0x86dd;
const headerLength = 14;

export function decodeEthernet(bytes: Uint8Array): Decoded<EthernetFrame, 'frame-too-short'> {
  const destination = macFromBytes(bytes.subarray(0, 6));
  const source = macFromBytes(bytes.subarray(6, 12));
  if (bytes.length < headerLength || destination === undefined || source === undefined)
    return refused('frame-too-short');
  return decoded({ destination, source, etherType: readUint16(bytes, 12), payload: bytes.subarray(headerLength) });
}

export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const bytes = new Uint8Array(headerLength + frame.payload.length);
  bytes.set(macBytes(frame.destination), 0);
  bytes.set(macBytes(frame.source), 6);
  writeUint16(bytes, 12, frame.etherType);
  bytes.set(frame.payload, headerLength);
  return bytes;
}
