import { encodeEthernet, etherTypeArp } from '../net/ethernet.js';
import { type Ip, parseIp } from '../net/ip.js';
import { broadcastMac, type Mac, zeroMac } from '../net/mac.js';
import type { Heard, NeighbourProtocol } from '../vip/neighbour-protocol.js';
import { type ArpPacket, decodeArp, encodeArp } from './packet.js';

const unspecified = parseIp('0.0.0.0') as Ip;

/** IPv4's way to say who has an address (RFC 826, RFC 5227). */
export const arp: NeighbourProtocol = {
  name: 'arp',
  groups: () => [],
  announcements: (ip, mac) =>
    (['request', 'reply'] as const).map((form) => ({ form, frame: announcementFrame(form, ip, mac) })),
  probe: probeFrame,
  hear,
};

/**
 * A gratuitous ARP frame that says `ip` is at `mac`. Hosts differ in which form they believe, so both are sent: the request is
 * RFC 5227's announcement, the reply names the target as itself (RFC 2002 section 4.6).
 */
export function announcementFrame(form: ArpPacket['operation'], ip: Ip, mac: Mac): Uint8Array {
  const targetMac = form === 'request' ? zeroMac : mac;
  return frame(mac, { operation: form, senderMac: mac, senderIp: ip, targetMac, targetIp: ip });
}

/** An ARP probe (RFC 5227 section 2.1.1): asks who has `ip` without teaching anybody anything. */
export function probeFrame(ip: Ip, mac: Mac): Uint8Array {
  return frame(mac, { operation: 'request', senderMac: mac, senderIp: unspecified, targetMac: zeroMac, targetIp: ip });
}

/** What a received ARP frame means for our addresses; undefined when nothing. Never throws. */
export function hear(bytes: Uint8Array, ours: readonly Ip[], ourMac: Mac): Heard | undefined {
  const packet = decodeArp(bytes.subarray(14));
  if (!packet.ok || packet.value.senderMac === ourMac) return undefined;
  const { senderIp, senderMac, targetIp, operation } = packet.value;
  if (ours.includes(senderIp)) return { kind: 'claim', ip: senderIp, mac: senderMac };
  const probes = operation === 'request' && senderIp === unspecified && ours.includes(targetIp);
  return probes ? { kind: 'probe', ip: targetIp, mac: senderMac } : undefined;
}

function frame(mac: Mac, packet: ArpPacket): Uint8Array {
  return encodeEthernet({
    destination: broadcastMac,
    source: mac,
    etherType: etherTypeArp,
    payload: encodeArp(packet),
  });
}
