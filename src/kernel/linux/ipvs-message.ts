import { type Decoded, decoded, readUint16, refused } from '../../net/bytes.js';
import { endpoint, type Family, familyOf, type Ip, ipBytes, ipFromBytes } from '../../net/ip.js';
import type {
  Endpoint,
  IpvsCommand,
  IpvsCounters,
  IpvsDestination,
  IpvsServiceName,
  PresentDestination,
  PresentService,
} from '../ports.js';
import { decodeGeneric, type GenericFamily, genericRequest } from './generic-netlink-message.js';
import {
  type Attributes,
  attribute,
  decodeAttributes,
  hostUint16,
  hostUint32,
  messageFlag,
  type NetlinkRequest,
  nested,
  networkUint16,
  text,
  uint16,
  uint32,
  uint64,
} from './netlink-message.js';

// IPVS over generic netlink (linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c). Ports are in network byte order, the rest in the machine's.

export const ipvsFamily = { name: 'IPVS', version: 1 } as const;

const command = {
  newService: 1,
  setService: 2,
  deleteService: 3,
  getService: 4,
  newDestination: 5,
  setDestination: 6,
  deleteDestination: 7,
  getDestination: 8,
  getInfo: 15,
} as const;
const topAttribute = { service: 1, destination: 2 } as const;
const serviceAttribute = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  mark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
  stats: 10,
  persistenceEngine: 11,
  stats64: 12,
} as const;
const destinationAttribute = {
  address: 1,
  port: 2,
  forwarding: 3,
  weight: 4,
  upperThreshold: 5,
  lowerThreshold: 6,
  active: 7,
  inactive: 8,
  stats: 10,
  family: 11,
  stats64: 12,
} as const;
const statsAttribute = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const;
const infoAttribute = { version: 1 } as const;

/** AF_INET, AF_INET6. */
const addressFamily = { 4: 2, 6: 10 } as const;
const protocols = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
] as const);
const tcp = 6;
/** IP_VS_SVC_F_HASHED: the kernel's own mark, on every service that is in its table. */
const hashedFlag = 2;
/** IP_VS_CONN_F_FWD_MASK: the forwarding method, of which 0 is masquerading. */
const forwardingMask = 7;

const commands = {
  'add-service': command.newService,
  'update-service': command.setService,
  'remove-service': command.deleteService,
  'add-destination': command.newDestination,
  'update-destination': command.setDestination,
  'remove-destination': command.deleteDestination,
} as const;

export function encodeCommand(family: GenericFamily, change: IpvsCommand): NetlinkRequest {
  const attributes: Uint8Array[] = [];
  switch (change.kind) {
    case 'add-service':
    case 'update-service':
      attributes.push(wholeService(change.service, change.scheduler));
      break;
    case 'remove-service':
      attributes.push(serviceName(change.service));
      break;
    case 'add-destination':
    case 'update-destination':
      attributes.push(serviceName(change.service), wholeDestination(change.destination));
      break;
    case 'remove-destination':
      attributes.push(serviceName(change.service), destinationName(change.destination));
      break;
  }
  return genericRequest(family, commands[change.kind], messageFlag.ack, ...attributes);
}

export function encodeListServices(family: GenericFamily): NetlinkRequest {
  return genericRequest(family, command.getService, messageFlag.dump);
}

/** Answered with the service, or `ESRCH`. */
export function encodeGetService(family: GenericFamily, service: Endpoint): NetlinkRequest {
  return genericRequest(family, command.getService, messageFlag.ack, serviceName(service));
}

/** For a service that is not there the kernel lists none. */
export function encodeListDestinations(family: GenericFamily, service: Endpoint): NetlinkRequest {
  return genericRequest(family, command.getDestination, messageFlag.dump, serviceName(service));
}

export function encodeGetInfo(family: GenericFamily): NetlinkRequest {
  return genericRequest(family, command.getInfo, messageFlag.ack);
}

/** IPVS's version, `1.2.1`. */
export function decodeInfo(payload: Uint8Array): Decoded<string, 'info-message'> {
  const version = uint32(decodeGeneric(payload)?.get(infoAttribute.version));
  if (version === undefined) return refused('info-message');
  return decoded([version >>> 16, (version >>> 8) & 0xff, version & 0xff].join('.'));
}

/** What a listed service is known by. */
export function decodeServiceName(payload: Uint8Array): Decoded<IpvsServiceName, 'service-message'> {
  const service = inner(payload, topAttribute.service);
  if (service === undefined) return refused('service-message');
  const mark = uint32(service.get(serviceAttribute.mark));
  if (mark !== undefined && mark !== 0) return decoded({ kind: 'mark', mark });
  const ip = addressOf(service.get(serviceAttribute.address), uint16(service.get(serviceAttribute.family)));
  const port = portOf(service.get(serviceAttribute.port));
  const protocol = uint16(service.get(serviceAttribute.protocol));
  if (ip === undefined || port === undefined || protocol === undefined) return refused('service-message');
  return decoded({ kind: 'address', protocol: nameOf(protocol), ip, port });
}

/** A TCP service; its destinations are listed apart. */
export function decodeService(payload: Uint8Array): Decoded<Omit<PresentService, 'destinations'>, 'service-message'> {
  const name = decodeServiceName(payload);
  const service = inner(payload, topAttribute.service);
  if (!name.ok || name.value.kind !== 'address' || name.value.protocol !== 'tcp' || service === undefined) {
    return refused('service-message');
  }
  const flags = uint32(service.get(serviceAttribute.flags)) ?? 0;
  const scheduler = textOf(service.get(serviceAttribute.scheduler));
  return decoded({
    ip: name.value.ip,
    port: name.value.port,
    scheduler,
    plain: (flags & ~hashedFlag) === 0 && textOf(service.get(serviceAttribute.persistenceEngine)) === '',
    counters: countersOf(service.get(serviceAttribute.stats64), service.get(serviceAttribute.stats)),
  });
}

/** @param family of the service: kernels before 3.18 do not say that of a destination */
export function decodeDestination(
  payload: Uint8Array,
  family: Family,
): Decoded<PresentDestination, 'destination-message'> {
  const destination = inner(payload, topAttribute.destination);
  if (destination === undefined) return refused('destination-message');
  const number = (type: number) => uint32(destination.get(type)) ?? 0;
  const own = uint16(destination.get(destinationAttribute.family));
  const ip = addressOf(destination.get(destinationAttribute.address), own ?? addressFamily[family]);
  const port = portOf(destination.get(destinationAttribute.port));
  const weight = uint32(destination.get(destinationAttribute.weight));
  if (ip === undefined || port === undefined || weight === undefined) return refused('destination-message');
  const method = number(destinationAttribute.forwarding) & forwardingMask;
  const thresholds = [destinationAttribute.upperThreshold, destinationAttribute.lowerThreshold].map(number);
  return decoded({
    ip,
    port,
    weight,
    plain: method === 0 && thresholds.every((threshold) => threshold === 0),
    active: number(destinationAttribute.active),
    inactive: number(destinationAttribute.inactive),
    counters: countersOf(destination.get(destinationAttribute.stats64), destination.get(destinationAttribute.stats)),
  });
}

/** For the operator who reads why the kernel refused it. */
export function describe(change: IpvsCommand): string {
  const { kind, service } = change;
  const name = `${kind.replace('-', ' IPVS ')} ${endpoint(service.ip, service.port)}`;
  if (!('destination' in change)) return 'scheduler' in change ? `${name} ${change.scheduler}` : name;
  return `${name} → ${endpoint(change.destination.ip, change.destination.port)}`;
}

function serviceNameAttributes({ ip, port }: Endpoint): readonly Uint8Array[] {
  return [
    attribute(serviceAttribute.family, hostUint16(addressFamily[familyOf(ip)])),
    attribute(serviceAttribute.protocol, hostUint16(tcp)),
    attribute(serviceAttribute.address, addressUnion(ip)),
    attribute(serviceAttribute.port, networkUint16(port)),
  ];
}

function serviceName(service: Endpoint): Uint8Array {
  return nested(topAttribute.service, ...serviceNameAttributes(service));
}

/** All that the kernel demands of a new service: no flag is set (mask: all of them are meant), persistence is off. */
function wholeService(service: Endpoint, scheduler: string): Uint8Array {
  const netmask = familyOf(service.ip) === 4 ? 0xffffffff : 128;
  return nested(
    topAttribute.service,
    ...serviceNameAttributes(service),
    attribute(serviceAttribute.scheduler, text(scheduler)),
    attribute(serviceAttribute.flags, hostUint32(0, 0xffffffff)),
    attribute(serviceAttribute.timeout, hostUint32(0)),
    attribute(serviceAttribute.netmask, hostUint32(netmask)),
  );
}

function destinationNameAttributes({ ip, port }: Endpoint): readonly Uint8Array[] {
  return [
    attribute(destinationAttribute.address, addressUnion(ip)),
    attribute(destinationAttribute.port, networkUint16(port)),
    attribute(destinationAttribute.family, hostUint16(addressFamily[familyOf(ip)])),
  ];
}

function destinationName(destination: Endpoint): Uint8Array {
  return nested(topAttribute.destination, ...destinationNameAttributes(destination));
}

function wholeDestination(destination: IpvsDestination): Uint8Array {
  return nested(
    topAttribute.destination,
    ...destinationNameAttributes(destination),
    attribute(destinationAttribute.forwarding, hostUint32(0)),
    attribute(destinationAttribute.weight, hostUint32(destination.weight)),
    attribute(destinationAttribute.upperThreshold, hostUint32(0)),
    attribute(destinationAttribute.lowerThreshold, hostUint32(0)),
  );
}

/** union nf_inet_addr: 16 bytes, of which IPv4 takes the first four. */
function addressUnion(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(ipBytes(ip));
  return bytes;
}

function addressOf(union: Uint8Array | undefined, family: number | undefined): Ip | undefined {
  if (union === undefined) return undefined;
  if (family === addressFamily[4]) return ipFromBytes(union.subarray(0, 4));
  return family === addressFamily[6] ? ipFromBytes(union.subarray(0, 16)) : undefined;
}

function portOf(bytes: Uint8Array | undefined): number | undefined {
  return bytes === undefined || bytes.length < 2 ? undefined : readUint16(bytes, 0);
}

function nameOf(protocol: number): 'tcp' | 'udp' | 'sctp' | 'other' {
  return (protocols as ReadonlyMap<number, 'tcp' | 'udp' | 'sctp'>).get(protocol) ?? 'other';
}

/** 64-bit counters, or those of kernels before 4.1: of 32 bits, but for the bytes. */
function countersOf(stats64: Uint8Array | undefined, stats: Uint8Array | undefined): IpvsCounters {
  const counters = stats64 ?? stats;
  const attributes = counters === undefined ? undefined : decodeAttributes(counters);
  const number = (type: number) => (attributes?.ok ? unsigned(attributes.value.get(type)) : 0n);
  return {
    connections: number(statsAttribute.connections),
    packetsFromClient: number(statsAttribute.packetsIn),
    packetsToClient: number(statsAttribute.packetsOut),
    bytesFromClient: number(statsAttribute.bytesIn),
    bytesToClient: number(statsAttribute.bytesOut),
  };
}

/** A number of 64 or of 32 bits. */
function unsigned(bytes: Uint8Array | undefined): bigint {
  return uint64(bytes) ?? BigInt(uint32(bytes) ?? 0);
}

function inner(payload: Uint8Array, type: number): Attributes | undefined {
  const nest = decodeGeneric(payload)?.get(type);
  const attributes = nest === undefined ? undefined : decodeAttributes(nest);
  return attributes?.ok ? attributes.value : undefined;
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? [])
    .toString('utf8')
    .replace(/\0.*$/s, '');
}
