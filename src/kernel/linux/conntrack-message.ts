import { type Decoded, decoded, readUint16, refused } from '../../net/bytes.js';
import { endpoint, familyOf, ipBytes, ipFromBytes } from '../../net/ip.js';
import type { Flow } from '../ports.js';
import {
  type Attributes,
  attribute,
  concat,
  decodeAttributes,
  findAttribute,
  hostUint32,
  messageFlag,
  type NetlinkMessage,
  type NetlinkRequest,
  nested,
  networkUint16,
} from './netlink-message.js';

// Connection tracking over nfnetlink (linux/netfilter/nfnetlink_conntrack.h). Numbers are in network byte order but for the filter's.

type Endpoint = Flow['service'];

const subsystem = 1;
const message = { new: 0, get: 1, delete: 2 } as const;
const protocolFamily = { 4: 2, 6: 10 } as const;
const protocolTcp = 6;
/** CTA_* */
const cta = { original: 1, reply: 2, protocolInfo: 4, id: 12, zone: 18, filter: 25 } as const;
/** CTA_IP_* of the address family */
const ctaIp = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
/** CTA_PROTO_* */
const ctaProtocol = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/**
 * CTA_FILTER_F_CTA_PROTO_NUM and _PROTO_DST_PORT (net/netfilter/nf_conntrack_netlink.c). Not the address: kernels list what has
 * another IPv6 address than the wanted (ctnetlink_filter_match_tuple, as of Linux 6.18).
 */
const filterFlags = (1 << 3) | (1 << 5);

/** TCP_CONNTRACK_*: SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2. */
const phases: readonly Flow['phase'][] = [
  ...(['over', 'opening', 'opening', 'open', 'open', 'open'] as const),
  ...(['over', 'over', 'over', 'opening'] as const),
];

/**
 * Lists the entries of a service, and others of its address family: with the same port and another address, or, before Linux 5.8,
 * which knows no such filter, all.
 */
export function encodeListFlows({ ip, port }: Endpoint): readonly NetlinkRequest[] {
  const tuple = nested(
    cta.original,
    nested(
      2,
      attribute(ctaProtocol.number, Uint8Array.of(protocolTcp)),
      attribute(ctaProtocol.destinationPort, networkUint16(port)),
    ),
  );
  const filter = nested(cta.filter, attribute(1, hostUint32(filterFlags)));
  return [request(message.get, messageFlag.dump, endpoint(ip, port), familyOf(ip), tuple, filter)];
}

/** Deletes these entries; those that are gone already are no error. */
export function encodeDeleteFlows(flows: readonly Flow[]): readonly NetlinkRequest[] {
  return flows.map(({ client, identity }, index) => ({
    ...request(
      message.delete,
      index === flows.length - 1 ? messageFlag.ack : 0,
      `from ${endpoint(client.ip, client.port)}`,
      familyOf(client.ip),
      identity,
    ),
    tolerated: ['ENOENT'],
  }));
}

/**
 * Tells the entries of a service, and of one of its backends, from others. The kernel lists what has ended minutes ago, too: to decode all of
 * it would take long.
 */
export function flowsOf(service: Endpoint, backend?: Endpoint): (listed: NetlinkMessage) => boolean {
  const isAtService = hasEnd('destination', service);
  const isFromBackend = backend === undefined ? () => true : hasEnd('source', backend);
  return ({ payload }) => {
    const attributes = payload.subarray(4);
    return isAtService(findAttribute(attributes, cta.original)) && isFromBackend(findAttribute(attributes, cta.reply));
  };
}

/** The connection's name among all that there are at one time: its original tuple, as the kernel writes it. */
export function nameOfListed({ payload }: NetlinkMessage): string {
  return originalTuple(payload.subarray(4));
}

/** As `nameOfListed`. */
export function nameOfFlow({ identity }: Flow): string {
  return originalTuple(identity);
}

function originalTuple(attributes: Uint8Array): string {
  return Buffer.from(findAttribute(attributes, cta.original) ?? []).toString('latin1');
}

/** Whether a tuple begins or ends there. */
function hasEnd(end: 'source' | 'destination', { ip, port }: Endpoint): (tuple: Uint8Array | undefined) => boolean {
  const address = Buffer.from(ipBytes(ip));
  const portBytes = Buffer.from(networkUint16(port));
  const typeOfAddress = ctaIp[familyOf(ip)][end];
  const typeOfPort = ctaProtocol[`${end}Port`];
  const holds = (nest: Uint8Array | undefined, type: number, wanted: Buffer) => {
    const found = nest === undefined ? undefined : findAttribute(nest, type);
    return found !== undefined && wanted.equals(found);
  };
  return (tuple) =>
    tuple !== undefined &&
    holds(findAttribute(tuple, 1), typeOfAddress, address) &&
    holds(findAttribute(tuple, 2), typeOfPort, portBytes);
}

export function decodeFlow(listed: NetlinkMessage): Decoded<Flow, 'attribute-length' | 'not-a-flow'> {
  if (listed.type !== ((subsystem << 8) | message.new)) return refused('not-a-flow');
  const attributes = decodeAttributes(listed.payload.subarray(4));
  if (!attributes.ok) return attributes;
  const original = decodeTuple(attributes.value.get(cta.original));
  const reply = decodeTuple(attributes.value.get(cta.reply));
  const state = nestedAttribute(nestedAttributes(attributes.value.get(cta.protocolInfo)), 1)?.get(1)?.[0];
  if (original === undefined || reply === undefined || state === undefined) return refused('not-a-flow');
  return decoded({
    client: original.source,
    service: original.destination,
    backend: reply.source,
    answersTo: reply.destination,
    phase: phases[state] ?? 'over',
    identity: identity(attributes.value),
  });
}

/** The original tuple, the zone, and the entry's own number: a later entry with the same tuple has another. */
function identity(attributes: Attributes): Uint8Array {
  const parts = [cta.original, cta.id, cta.zone].flatMap((type) => {
    const payload = attributes.get(type);
    if (payload === undefined) return [];
    return [type === cta.original ? nested(type, payload) : attribute(type, payload)];
  });
  return concat(...parts);
}

function decodeTuple(payload: Uint8Array | undefined): { source: Endpoint; destination: Endpoint } | undefined {
  const tuple = nestedAttributes(payload);
  const addresses = nestedAttribute(tuple, 1);
  const protocol = nestedAttribute(tuple, 2);
  if (addresses === undefined || protocol?.get(ctaProtocol.number)?.[0] !== protocolTcp) return undefined;
  const types = addresses.has(ctaIp[4].source) ? ctaIp[4] : ctaIp[6];
  const source = decodeEndpoint(addresses.get(types.source), protocol.get(ctaProtocol.sourcePort));
  const destination = decodeEndpoint(addresses.get(types.destination), protocol.get(ctaProtocol.destinationPort));
  return source === undefined || destination === undefined ? undefined : { source, destination };
}

function decodeEndpoint(address: Uint8Array | undefined, port: Uint8Array | undefined): Endpoint | undefined {
  const ip = address === undefined ? undefined : ipFromBytes(address);
  return ip === undefined || port?.length !== 2 ? undefined : { ip, port: readUint16(port, 0) };
}

function nestedAttribute(attributes: Attributes | undefined, type: number): Attributes | undefined {
  return nestedAttributes(attributes?.get(type));
}

function nestedAttributes(payload: Uint8Array | undefined): Attributes | undefined {
  if (payload === undefined) return undefined;
  const attributes = decodeAttributes(payload);
  return attributes.ok ? attributes.value : undefined;
}

/** struct nfgenmsg (family, version, resource) and attributes. */
function request(
  type: number,
  flags: number,
  subject: string,
  family: 4 | 6,
  ...attributes: readonly Uint8Array[]
): NetlinkRequest {
  const payload = concat(Uint8Array.of(protocolFamily[family], 0, 0, 0), ...attributes);
  return { subject, type: (subsystem << 8) | type, flags, payload };
}
