import { type Decoded, decoded, readUint16, refused, writeUint16 } from '../net/bytes.js';
import { type Ip, ipBytes, ipFromBytes } from '../net/ip.js';
import { type Mac, macBytes, macFromBytes } from '../net/mac.js';

/** ARP for IPv4 over Ethernet (RFC 826); the field names are RFC 5227's. */
export interface ArpPacket {
  readonly operation: 'request' | 'reply';
  readonly senderMac: Mac;
  readonly senderIp: Ip;
  readonly targetMac: Mac;
  readonly targetIp: Ip;
}

export type ArpRefusal = 'packet-too-short' | 'not-ethernet-ipv4' | 'unknown-operation';

const length = 28;
const operations = { request: 1, reply: 2 } as const;

/** Reads an ARP packet; bytes after the 28th (Ethernet padding) are ignored. Never throws. */
export function decodeArp(bytes: Uint8Array): Decoded<ArpPacket, ArpRefusal> {
  if (bytes.length < length) return refused('packet-too-short');
  const isIpv4OverEthernet =
    readUint16(bytes, 0) === 1 && readUint16(bytes, 2) === 0x0800 && bytes[4] === 6 && bytes[5] === 4;
  if (!isIpv4OverEthernet) return refused('not-ethernet-ipv4');
  const code = readUint16(bytes, 6);
  if (code !== operations.request && code !== operations.reply) return refused('unknown-operation');
  return decoded({
    operation: code === operations.request ? 'request' : 'reply',
    senderMac: macFromBytes(bytes.subarray(8, 14)) as Mac,
    senderIp: ipFromBytes(bytes.subarray(14, 18)) as Ip,
    targetMac: macFromBytes(bytes.subarray(18, 24)) as Mac,
    targetIp: ipFromBytes(bytes.subarray(24, 28)) as Ip,
  });
}

export function encodeArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(length);
  writeUint16(bytes, 0, 1);
  writeUint16(bytes, 2, 0x0800);
  bytes[4] = 6;
  bytes[5] = 4;
  writeUint16(bytes, 6, operations[packet.operation]);
  bytes.set(macBytes(packet.senderMac), 8);
  bytes.set(ipBytes(packet.senderIp), 14);
  bytes.set(macBytes(packet.targetMac), 18);
  bytes.set(ipBytes(packet.targetIp), 24);
  return bytes;
}
