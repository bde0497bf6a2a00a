import type { PacketProtocol } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Mac } from '../net/mac.js';

/** A gratuitous ARP as request and as reply; an unsolicited neighbour advertisement. */
export const announcementForms = ['request', 'reply', 'advertisement'] as const;
export type AnnouncementForm = (typeof announcementForms)[number];

export interface Announcement {
  readonly form: AnnouncementForm;
  readonly frame: Uint8Array;
}

export type Heard =
  /** Another host says that it has the address. */
  | { readonly kind: 'claim'; readonly ip: Ip; readonly mac: Mac }
  /** Another host asks whether it may take the address. */
  | { readonly kind: 'probe'; readonly ip: Ip; readonly mac: Mac };

/** How the hosts on a LAN tell each other who has an address: ARP for IPv4, NDP for IPv6. Frames are whole Ethernet frames. */
export interface NeighbourProtocol {
  readonly name: PacketProtocol;
  /** The multicast groups that whoever has or wants the address is in. */
  groups(ip: Ip): readonly Ip[];
  /** Says that `ip` is at `mac`, in every form that hosts believe. */
  announcements(ip: Ip, mac: Mac): readonly Announcement[];
  /** Asks who has `ip` without teaching anybody anything. */
  probe(ip: Ip, mac: Mac): Uint8Array;
  /** What a received frame means for our addresses; undefined when nothing. Never throws. */
  hear(frame: Uint8Array, ours: readonly Ip[], ourMac: Mac): Heard | undefined;
}
