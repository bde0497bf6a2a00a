import { type Decoded, decoded, refused } from '../../net/bytes.js';
import { type Family, familyOf, ipBytes, ipFromBytes } from '../../net/ip.js';
import { macFromBytes } from '../../net/mac.js';
import { millis } from '../../time/instant.js';
import { type InterfaceAddress, type Lifetime, type Link, type VirtualAddress, vipdAddressProtocol } from '../ports.js';
import {
  attribute,
  concat,
  decodeAttributes,
  hostUint16At,
  hostUint32,
  hostUint32At,
  messageFlag,
  type NetlinkRequest,
  uint32,
} from './netlink-message.js';

// rtnetlink (linux/rtnetlink.h, if_addr.h, if_link.h): addresses, interfaces, routes as bytes.

export const routeMessage = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  getRoute: 26,
} as const;

const addressAttribute = { address: 1, local: 2, cacheInfo: 6, flags: 8, protocol: 11 } as const;
const addressFlag = { noDad: 0x02, deprecated: 0x20, noPrefixRoute: 0x200 } as const;
const linkAttribute = { address: 1, name: 3 } as const;
const routeAttribute = { outInterface: 4, priority: 6, multipath: 9, table: 15 } as const;
const scope = { universe: 0, host: 254 } as const;
const forever = 0xffffffff;
const upAndCarrier = 0x1 | 0x10000;
const etherLink = 1;
const mainTable = 254;
const unicastRoute = 1;

export function encodePutAddress(address: VirtualAddress): NetlinkRequest {
  const ipv4 = familyOf(address.ip) === 4;
  const flags = addressFlag.noPrefixRoute | (ipv4 ? 0 : addressFlag.noDad);
  return {
    type: routeMessage.newAddress,
    flags: messageFlag.create | messageFlag.replace | messageFlag.ack,
    payload: concat(
      addressHeader(address, ipv4 ? scope.host : scope.universe),
      ...localAddress(address),
      // struct ifa_cacheinfo: preferred, valid, and two time stamps that the kernel fills in.
      attribute(addressAttribute.cacheInfo, hostUint32(0, validSeconds(address.lifetime), 0, 0)),
      attribute(addressAttribute.flags, hostUint32(flags)),
      // Kernels before 5.18 skip attributes that they do not know.
      attribute(addressAttribute.protocol, Uint8Array.of(vipdAddressProtocol)),
    ),
  };
}

export function encodeRemoveAddress(address: Pick<VirtualAddress, 'ip' | 'prefixLength' | 'link'>): NetlinkRequest {
  return {
    type: routeMessage.deleteAddress,
    flags: messageFlag.ack,
    payload: concat(addressHeader(address, scope.universe), ...localAddress(address)),
  };
}

export function encodeListAddresses(): NetlinkRequest {
  return { type: routeMessage.getAddress, flags: messageFlag.dump, payload: new Uint8Array(8) };
}

export function encodeListLinks(): NetlinkRequest {
  return { type: routeMessage.getLink, flags: messageFlag.dump, payload: new Uint8Array(16) };
}

export function encodeListRoutes(family: Family): NetlinkRequest {
  const payload = new Uint8Array(12);
  payload[0] = addressFamily(family);
  return { type: routeMessage.getRoute, flags: messageFlag.dump, payload };
}

/** struct ifaddrmsg and its attributes, of RTM_NEWADDR and RTM_DELADDR. */
export function decodeAddress(payload: Uint8Array): Decoded<InterfaceAddress, 'address-message'> {
  const attributes = decodeAttributes(payload.subarray(8));
  if (payload.length < 8 || !attributes.ok) return refused('address-message');
  // On a point-to-point link IFA_ADDRESS is the other end; without one IPv6 has no IFA_LOCAL.
  const bytes = attributes.value.get(addressAttribute.local) ?? attributes.value.get(addressAttribute.address);
  const ip = bytes === undefined ? undefined : ipFromBytes(bytes);
  if (ip === undefined || addressFamily(familyOf(ip)) !== payload[0]) return refused('address-message');
  const cacheInfo = attributes.value.get(addressAttribute.cacheInfo);
  const valid = uint32(cacheInfo?.subarray(4)) ?? forever;
  const flags = uint32(attributes.value.get(addressAttribute.flags)) ?? payload[2] ?? 0;
  return decoded({
    ip,
    prefixLength: payload[1] ?? 0,
    link: hostUint32At(payload, 4),
    lifetime: valid === forever ? 'forever' : millis(valid * 1000),
    deprecated: (flags & addressFlag.deprecated) !== 0 || uint32(cacheInfo) === 0,
    protocol: attributes.value.get(addressAttribute.protocol)?.[0],
  });
}

/**
 * struct ifinfomsg and its attributes, of RTM_NEWLINK and RTM_DELLINK. Messages of another family than AF_UNSPEC tell of a
 * bridge's ports: RTM_DELLINK then means that the interface left the bridge, not that it is gone.
 */
export function decodeLink(payload: Uint8Array): Decoded<Link, 'link-message' | 'bridge-port'> {
  const attributes = decodeAttributes(payload.subarray(16));
  if (payload.length < 16 || !attributes.ok) return refused('link-message');
  if (payload[0] !== 0) return refused('bridge-port');
  const name = attributes.value.get(linkAttribute.name);
  const hardware = attributes.value.get(linkAttribute.address);
  if (name === undefined) return refused('link-message');
  return decoded({
    index: hostUint32At(payload, 4),
    name: Buffer.from(name).toString('utf8').replace(/\0.*$/s, ''),
    mac: hostUint16At(payload, 2) === etherLink && hardware !== undefined ? macFromBytes(hardware) : undefined,
    up: (hostUint32At(payload, 8) & upAndCarrier) === upAndCarrier,
  });
}

/** A default route of the main table: the interface it leaves by and its metric. */
export interface DefaultRoute {
  readonly link: number;
  readonly metric: number;
}

/** struct rtmsg and its attributes; of several next hops the first counts. */
export function decodeDefaultRoute(payload: Uint8Array): Decoded<DefaultRoute, 'route-message' | 'other-route'> {
  const attributes = decodeAttributes(payload.subarray(12));
  if (payload.length < 12 || !attributes.ok) return refused('route-message');
  const table = uint32(attributes.value.get(routeAttribute.table)) ?? payload[4];
  if (payload[1] !== 0 || payload[7] !== unicastRoute || table !== mainTable) return refused('other-route');
  // struct rtnexthop: length, flags, hops, then the interface.
  const link =
    uint32(attributes.value.get(routeAttribute.outInterface)) ??
    uint32(attributes.value.get(routeAttribute.multipath)?.subarray(4));
  if (link === undefined) return refused('other-route');
  return decoded({ link, metric: uint32(attributes.value.get(routeAttribute.priority)) ?? 0 });
}

/** struct ifaddrmsg. Its eight flag bits are in IFA_FLAGS, whole. */
function addressHeader(address: Pick<VirtualAddress, 'ip' | 'prefixLength' | 'link'>, scope: number): Uint8Array {
  const header = Uint8Array.of(addressFamily(familyOf(address.ip)), address.prefixLength, 0, scope);
  return concat(header, hostUint32(address.link));
}

function localAddress(address: Pick<VirtualAddress, 'ip'>): readonly Uint8Array[] {
  const bytes = ipBytes(address.ip);
  return [attribute(addressAttribute.local, bytes), attribute(addressAttribute.address, bytes)];
}

function validSeconds(lifetime: Lifetime): number {
  return lifetime === 'forever' ? forever : Math.min(forever - 1, Math.max(1, Math.floor(lifetime / 1000)));
}

/** AF_INET, AF_INET6. */
function addressFamily(family: Family): number {
  return family === 4 ? 2 : 10;
}
