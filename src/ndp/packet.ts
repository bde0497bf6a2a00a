import { type Decoded, decoded, readUint16, refused, writeUint16 } from '../net/bytes.js';
import { internetChecksum } from '../net/checksum.js';
import { type Ip, ipBytes, ipFromBytes } from '../net/ip.js';
import { isMulticastIpv6, solicitedNodeGroup, unspecifiedIpv6 } from '../net/ipv6.js';
import { type Mac, macBytes, macFromBytes } from '../net/mac.js';

/** A message of neighbour discovery about the address `target`, with its IPv6 header (RFC 4861 sections 4.3 and 4.4). */
export type NdpPacket = NeighbourSolicitation | NeighbourAdvertisement;

export interface NeighbourSolicitation extends Addresses {
  readonly kind: 'solicitation';
}

export interface NeighbourAdvertisement extends Addresses {
  readonly kind: 'advertisement';
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
}

interface Addresses {
  readonly source: Ip;
  readonly destination: Ip;
  readonly target: Ip;
  /** Of the sender in a solicitation, of the target in an advertisement: the option with the link-layer address. */
  readonly linkLayerAddress: Mac | undefined;
}

export type NdpRefusal =
  | 'packet-too-short'
  | 'not-icmpv6'
  | 'wrong-hop-limit'
  | 'wrong-checksum'
  | 'unknown-type'
  | 'unknown-code'
  | 'multicast-target'
  | 'malformed-options'
  | 'wrong-for-unspecified-source'
  | 'solicited-by-multicast';

const headerLength = 40;
const messageLength = 24;
const optionLength = 8;
const protocolIcmpv6 = 58;
/** What comes with less has passed a router: it is not of this link (RFC 4861 section 3.1). */
const hopLimit = 255;
const types = { solicitation: 135, advertisement: 136 } as const;
const linkLayerOption = { solicitation: 1, advertisement: 2 } as const;
const flag = { router: 0x80, solicited: 0x40, override: 0x20 } as const;

/**
 * Reads an IPv6 packet, valid as RFC 4861 sections 7.1.1 and 7.1.2 have it; bytes after its payload (Ethernet padding) are ignored.
 * One with extension headers is not read: nobody sends neighbour discovery so (RFC 6980 forbids fragments). Never throws.
 */
export function decodeNdp(bytes: Uint8Array): Decoded<NdpPacket, NdpRefusal> {
  const length = readUint16(bytes, 4);
  if (bytes.length < headerLength + length || length < messageLength) return refused('packet-too-short');
  if ((bytes[0] ?? 0) >> 4 !== 6 || bytes[6] !== protocolIcmpv6) return refused('not-icmpv6');
  if (bytes[7] !== hopLimit) return refused('wrong-hop-limit');
  const addresses = bytes.subarray(8, headerLength);
  const message = bytes.subarray(headerLength, headerLength + length);
  if (internetChecksum(addresses, pseudoTrailer(length), message) !== 0) return refused('wrong-checksum');
  if (message[0] !== types.solicitation && message[0] !== types.advertisement) return refused('unknown-type');
  if (message[1] !== 0) return refused('unknown-code');
  const kind = message[0] === types.solicitation ? 'solicitation' : 'advertisement';
  const target = ipFromBytes(message.subarray(8, 24)) as Ip;
  if (isMulticastIpv6(target)) return refused('multicast-target');
  const option = findOption(message.subarray(messageLength), linkLayerOption[kind]);
  if (!option.ok) return option;
  const about: Addresses = {
    source: ipFromBytes(addresses.subarray(0, 16)) as Ip,
    destination: ipFromBytes(addresses.subarray(16)) as Ip,
    target,
    linkLayerAddress: option.value,
  };
  return kind === 'solicitation' ? solicitation(about) : advertisement(about, message[4] ?? 0);
}

function solicitation(about: Addresses): Decoded<NeighbourSolicitation, NdpRefusal> {
  const fits =
    about.source !== unspecifiedIpv6 ||
    (about.destination === solicitedNodeGroup(about.target) && about.linkLayerAddress === undefined);
  return fits ? decoded({ kind: 'solicitation', ...about }) : refused('wrong-for-unspecified-source');
}

function advertisement(about: Addresses, flags: number): Decoded<NeighbourAdvertisement, NdpRefusal> {
  const solicited = (flags & flag.solicited) !== 0;
  if (solicited && isMulticastIpv6(about.destination)) return refused('solicited-by-multicast');
  const router = (flags & flag.router) !== 0;
  return decoded({ kind: 'advertisement', ...about, router, solicited, override: (flags & flag.override) !== 0 });
}

/** The first link-layer address among the options; undefined when there is none. Options of other types are passed over. */
function findOption(options: Uint8Array, wanted: number): Decoded<Mac | undefined, 'malformed-options'> {
  let found: Mac | undefined;
  for (let rest = options; rest.length > 0; ) {
    const [type, words = 0] = rest;
    const length = words * 8;
    if (length === 0 || length > rest.length) return refused('malformed-options');
    if (type === wanted) {
      if (length !== optionLength) return refused('malformed-options');
      found ??= macFromBytes(rest.subarray(2, optionLength));
    }
    rest = rest.subarray(length);
  }
  return decoded(found);
}

/** The whole IPv6 packet. */
export function encodeNdp(packet: NdpPacket): Uint8Array {
  const { kind, linkLayerAddress } = packet;
  const message = new Uint8Array(messageLength + (linkLayerAddress === undefined ? 0 : optionLength));
  message[0] = types[kind];
  if (packet.kind === 'advertisement') {
    message[4] =
      (packet.router ? flag.router : 0) |
      (packet.solicited ? flag.solicited : 0) |
      (packet.override ? flag.override : 0);
  }
  message.set(ipBytes(packet.target), 8);
  if (linkLayerAddress !== undefined) {
    message.set([linkLayerOption[kind], 1, ...macBytes(linkLayerAddress)], messageLength);
  }
  const addresses = Uint8Array.of(...ipBytes(packet.source), ...ipBytes(packet.destination));
  writeUint16(message, 2, internetChecksum(addresses, pseudoTrailer(message.length), message));
  const header = Uint8Array.of(0x60, 0, 0, 0, 0, message.length, protocolIcmpv6, hopLimit);
  return Uint8Array.of(...header, ...addresses, ...message);
}

/** The pseudo-header after its addresses (RFC 8200 section 8.1). */
function pseudoTrailer(length: number): Uint8Array {
  return Uint8Array.of(0, 0, length >> 8, length & 0xff, 0, 0, 0, protocolIcmpv6);
}
