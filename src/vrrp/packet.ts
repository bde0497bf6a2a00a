import { type Decoded, decoded, readUint16, refused, writeUint16 } from '../net/bytes.js';
import { internetChecksum } from '../net/checksum.js';
import { familyOf, type Ip, ipBytes, ipFromBytes } from '../net/ip.js';
import { type IpPacket, pseudoHeader } from '../net/ip-packet.js';
import { type Millis, millis } from '../time/instant.js';

/** VRRP's number among the protocols of IP. */
export const vrrpProtocol = 112;

/** 2: RFC 3768, IPv4 alone. 3: RFC 9568. */
export type VrrpVersion = 2 | 3;

/**
 * Which bytes the checksum of a v3 message over IPv4 covers. RFC 5798 could be read either way: keepalived and FRR put a pseudo
 * header before the message, RFC 9568 section 5.2.8 and hardware routers do not. v2 never has one, IPv6 always.
 */
export type ChecksumForm = 'keepalived' | 'rfc9568';

/** An ADVERTISEMENT, the only message there is. */
export interface Advertisement {
  readonly version: VrrpVersion;
  readonly virtualRouterId: number;
  /** 0: the sender gives up; 255: it owns the addresses. */
  readonly priority: number;
  /** v2: whole seconds, at most 255; v3: whole hundredths of a second, at most 4095 of them. */
  readonly interval: Millis;
  /** v2 only: what is called a simple text password (RFC 2338 section 10.2). */
  readonly auth: Auth;
  /** All of the family of the packet. */
  readonly addresses: readonly Ip[];
}

/** Of the types above 1 the data is not read. */
export type Auth =
  | { readonly type: 0 }
  | { readonly type: 1; readonly password: Uint8Array }
  | { readonly type: number };

export type MessageRefusal = 'length' | 'version' | 'type' | 'checksum';

const headerLength = 8;
const authLength = 8;
const advertisementType = 1;

/** Eight bytes, cut or filled up with zeros, as keepalived has them. */
export function passwordBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(authLength);
  bytes.set(new TextEncoder().encode(text).subarray(0, authLength));
  return bytes;
}

export function passwordIsCut(text: string): boolean {
  return new TextEncoder().encode(text).length > authLength;
}

/**
 * The message that goes into a packet from `source` to `destination`.
 * @param form what a v3 checksum over IPv4 covers
 */
export function encodeAdvertisement(
  advertisement: Advertisement,
  path: Pick<IpPacket, 'source' | 'destination'>,
  form: ChecksumForm,
): Uint8Array {
  const { version, virtualRouterId, priority, interval, auth, addresses } = advertisement;
  const addressBytes = addresses.flatMap((ip) => [...ipBytes(ip)]);
  const bytes = new Uint8Array(headerLength + addressBytes.length + (version === 2 ? authLength : 0));
  bytes.set([(version << 4) | advertisementType, virtualRouterId, priority, addresses.length]);
  if (version === 2) bytes.set([auth.type, interval / 1000], 4);
  else writeUint16(bytes, 4, interval / 10);
  bytes.set(addressBytes, headerLength);
  if (version === 2 && 'password' in auth) bytes.set(auth.password, headerLength + addressBytes.length);
  writeUint16(bytes, 6, checksum(bytes, path, version, form));
  return bytes;
}

/**
 * Reads the message of a packet. Never throws; whether it is for us is another question (reception.ts).
 * Bits that RFC 9568 reserves are ignored. `form` tells which checksum a v3 message over IPv4 had.
 */
export function decodeAdvertisement(
  packet: IpPacket,
): Decoded<Advertisement & { readonly form: ChecksumForm | undefined }, MessageRefusal> {
  const { payload } = packet;
  if (payload.length < headerLength) return refused('length');
  const [first = 0, virtualRouterId = 0, priority = 0, count = 0, authType = 0, seconds = 0] = payload;
  const version = first >> 4;
  if (version !== 2 && version !== 3) return refused('version');
  const addressLength = familyOf(packet.source) === 4 ? 4 : 16;
  const addressesEnd = headerLength + count * addressLength;
  if (payload.length !== addressesEnd + (version === 2 ? authLength : 0)) return refused('length');
  if ((first & 0x0f) !== advertisementType) return refused('type');
  const form = formOf(packet, version);
  if (form === 'none') return refused('checksum');
  const addresses = Array.from(
    { length: count },
    (_, i) => ipFromBytes(payload.subarray(headerLength + i * addressLength).subarray(0, addressLength)) as Ip,
  );
  return decoded({
    version,
    virtualRouterId,
    priority,
    interval: millis(version === 2 ? seconds * 1000 : (readUint16(payload, 4) & 0x0fff) * 10),
    auth: version === 2 ? authOf(authType, payload.slice(addressesEnd)) : { type: 0 },
    addresses,
    form: familyOf(packet.source) === 4 && version === 3 ? form : undefined,
  });
}

function authOf(type: number, data: Uint8Array): Auth {
  return type === 1 ? { type, password: data } : { type };
}

/** Under which of the forms the checksum holds. */
function formOf(packet: IpPacket, version: VrrpVersion): ChecksumForm | 'none' {
  const forms = ['keepalived', 'rfc9568'] as const;
  return forms.find((form) => checksum(packet.payload, packet, version, form) === 0) ?? 'none';
}

/** Of a message whose checksum is right: 0. */
function checksum(
  message: Uint8Array,
  { source, destination }: Pick<IpPacket, 'source' | 'destination'>,
  version: VrrpVersion,
  form: ChecksumForm,
): number {
  const isAlone = familyOf(source) === 4 && (version === 2 || form === 'rfc9568');
  if (isAlone) return internetChecksum(message);
  const packet = { source, destination, protocol: vrrpProtocol, hopLimit: 255, payload: message };
  return internetChecksum(pseudoHeader(packet), message);
}
