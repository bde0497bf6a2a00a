import { type Decoded, decoded, readUint16, refused, writeUint16 } from './bytes.js';
import { familyOf, type Ip, ipBytes, ipFromBytes } from './ip.js';

/** An IP packet without options, extension headers or fragments (RFC 791, RFC 8200). */
export interface IpPacket {
  readonly source: Ip;
  /** Of the source's family. */
  readonly destination: Ip;
  readonly protocol: number;
  /** The time to live, or the hop limit. */
  readonly hopLimit: number;
  readonly payload: Uint8Array;
}

const ipv4Length = 20;
const ipv6Length = 40;

/**
 * The whole packet, as a raw socket takes it that is given headers (raw(7)): the kernel fills in IPv4's checksum and
 * identification.
 * @param trafficClass the byte that IPv4 called type of service
 */
export function encodeIpPacket(packet: IpPacket & { readonly trafficClass: number }): Uint8Array {
  const { source, destination, payload } = packet;
  const addresses = [...ipBytes(source), ...ipBytes(destination)];
  return Uint8Array.of(...(familyOf(source) === 4 ? ipv4Start(packet) : ipv6Start(packet)), ...addresses, ...payload);
}

/** Reads a whole packet; one with IPv4 options or of another length than it says is read by its own lengths, or refused. Never throws. */
export function decodeIpPacket(bytes: Uint8Array): Decoded<IpPacket, 'length'> {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return decodeIpv4(bytes);
  return version === 6 ? decodeIpv6(bytes) : refused('length');
}

/** What the checksums of upper layers cover beside the payload (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoHeader({ source, destination, protocol, payload }: IpPacket): Uint8Array {
  const tail = familyOf(source) === 4 ? new Uint8Array(4) : new Uint8Array(8);
  tail[familyOf(source) === 4 ? 1 : 7] = protocol;
  writeUint16(tail, 2, payload.length);
  return Uint8Array.of(...ipBytes(source), ...ipBytes(destination), ...tail);
}

function ipv4Start(packet: IpPacket & { readonly trafficClass: number }): number[] {
  const length = ipv4Length + packet.payload.length;
  return [0x45, packet.trafficClass, length >> 8, length & 0xff, 0, 0, 0, 0, packet.hopLimit, packet.protocol, 0, 0];
}

function ipv6Start(packet: IpPacket & { readonly trafficClass: number }): number[] {
  const { trafficClass, payload, protocol, hopLimit } = packet;
  const first = [0x60 | (trafficClass >> 4), (trafficClass & 0x0f) << 4, 0, 0];
  return [...first, payload.length >> 8, payload.length & 0xff, protocol, hopLimit];
}

function decodeIpv4(bytes: Uint8Array): Decoded<IpPacket, 'length'> {
  const header = ((bytes[0] ?? 0) & 0x0f) * 4;
  if (header < ipv4Length || bytes.length < header || readUint16(bytes, 2) !== bytes.length) return refused('length');
  return decoded({
    source: ipFromBytes(bytes.subarray(12, 16)) as Ip,
    destination: ipFromBytes(bytes.subarray(16, 20)) as Ip,
    protocol: bytes[9] ?? 0,
    hopLimit: bytes[8] ?? 0,
    payload: bytes.subarray(header),
  });
}

function decodeIpv6(bytes: Uint8Array): Decoded<IpPacket, 'length'> {
  if (bytes.length < ipv6Length || readUint16(bytes, 4) !== bytes.length - ipv6Length) return refused('length');
  return decoded({
    source: ipFromBytes(bytes.subarray(8, 24)) as Ip,
    destination: ipFromBytes(bytes.subarray(24, 40)) as Ip,
    protocol: bytes[6] ?? 0,
    hopLimit: bytes[7] ?? 0,
    payload: bytes.subarray(ipv6Length),
  });
}
