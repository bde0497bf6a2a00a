import { decodeEthernet, encodeEthernet, etherTypeIpv6 } from '../net/ethernet.js';
import type { Ip } from '../net/ip.js';
import { allNodes, groupMac, solicitedNodeGroup, unspecifiedIpv6 } from '../net/ipv6.js';
import type { Mac } from '../net/mac.js';
import type { Heard, NeighbourProtocol } from '../vip/neighbour-protocol.js';
import { decodeNdp, encodeNdp, type NdpPacket } from './packet.js';

/** IPv6's way to say who has an address: neighbour discovery (RFC 4861) and duplicate address detection (RFC 4862). */
export const ndp: NeighbourProtocol = {
  name: 'ndp',
  // RFC 4862 section 5.4.2: who asks for an address must be there already, to hear others ask for the same.
  groups: (ip) => [solicitedNodeGroup(ip)],
  announcements: (ip, mac) => [{ form: 'advertisement', frame: announcementFrame(ip, mac) }],
  probe: probeFrame,
  hear,
};

/**
 * An unsolicited neighbour advertisement that says `ip` is at `mac`, whatever a host knew before (RFC 4861 section 7.2.6). It
 * says "no router" of a host that may forward: that makes hosts drop default routes by `ip` that they learnt from router
 * advertisements, which come from link-local addresses only.
 */
export function announcementFrame(ip: Ip, mac: Mac): Uint8Array {
  return frame(mac, {
    kind: 'advertisement',
    source: ip,
    destination: allNodes,
    target: ip,
    router: false,
    solicited: false,
    override: true,
    linkLayerAddress: mac,
  });
}

/** The solicitation of duplicate address detection (RFC 4862 section 5.4.2): who has `ip` answers to all nodes. */
export function probeFrame(ip: Ip, mac: Mac): Uint8Array {
  return frame(mac, {
    kind: 'solicitation',
    source: unspecifiedIpv6,
    destination: solicitedNodeGroup(ip),
    target: ip,
    linkLayerAddress: undefined,
  });
}

/** What a received frame means for our addresses; undefined when nothing. Never throws. */
export function hear(bytes: Uint8Array, ours: readonly Ip[], ourMac: Mac): Heard | undefined {
  const ethernet = decodeEthernet(bytes);
  if (!ethernet.ok || ethernet.value.source === ourMac) return undefined;
  const packet = decodeNdp(ethernet.value.payload);
  if (!packet.ok) return undefined;
  const { kind, source, target } = packet.value;
  const mac = packet.value.linkLayerAddress ?? ethernet.value.source;
  if (mac === ourMac) return undefined;
  // An advertisement is a claim to its target, and so is a solicitation to the address that it is sent from.
  const claimed = kind === 'advertisement' ? target : source;
  if (ours.includes(claimed)) return { kind: 'claim', ip: claimed, mac };
  const probes = kind === 'solicitation' && source === unspecifiedIpv6 && ours.includes(target);
  return probes ? { kind: 'probe', ip: target, mac } : undefined;
}

function frame(mac: Mac, packet: NdpPacket): Uint8Array {
  return encodeEthernet({
    destination: groupMac(packet.destination),
    source: mac,
    etherType: etherTypeIpv6,
    payload: encodeNdp(packet),
  });
}
