import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type Decoded, decoded, refused } from '../../net/bytes.js';

// Netlink's own layer (linux/netlink.h): messages and attributes, in the machine's byte order unless said otherwise.

export const messageType = { error: 2, done: 3 } as const;
export const messageFlag = {
  request: 0x1,
  ack: 0x4,
  /** NLM_F_DUMP_INTR: what is listed changed while it was listed. */
  dumpInterrupted: 0x10,
  replace: 0x100,
  dump: 0x300,
  create: 0x400,
  append: 0x800,
} as const;

const headerLength = 16;
const attributeHeaderLength = 4;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER, which share the type's 16 bits. */
const attributeFlags = 0xc000;
const nestedFlag = 0x8000;
const littleEndian = endianness() === 'LE';

/** What a request asks; the sequence number is added when it is sent. */
export interface NetlinkRequest {
  /** What the request is about, for the operator who reads why the kernel refused it. */
  readonly subject?: string;
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  /** Refusals that are as good as success, by name. */
  readonly tolerated?: readonly string[];
}

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Attributes by type, flags taken off; of equal types the last. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const length = headerLength + message.payload.length;
  const bytes = new Uint8Array(align(length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, littleEndian);
  view.setUint16(4, message.type, littleEndian);
  view.setUint16(6, message.flags, littleEndian);
  view.setUint32(8, message.sequence, littleEndian);
  bytes.set(message.payload, headerLength);
  return bytes;
}

/** The messages of one datagram. */
export function decodeMessages(bytes: Uint8Array): Decoded<readonly NetlinkMessage[], 'message-length'> {
  const messages: NetlinkMessage[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    if (rest.length < headerLength) return refused('message-length');
    const length = hostUint32At(rest, 0);
    if (length < headerLength || length > rest.length) return refused('message-length');
    messages.push({
      type: hostUint16At(rest, 4),
      flags: hostUint16At(rest, 6),
      sequence: hostUint32At(rest, 8),
      payload: rest.subarray(headerLength, length),
    });
    rest = rest.subarray(align(length));
  }
  return decoded(messages);
}

export function attribute(type: number, payload: Uint8Array): Uint8Array {
  const length = attributeHeaderLength + payload.length;
  const bytes = new Uint8Array(align(length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, littleEndian);
  view.setUint16(2, type, littleEndian);
  bytes.set(payload, attributeHeaderLength);
  return bytes;
}

export function nested(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(type | nestedFlag, concat(...attributes));
}

export function decodeAttributes(bytes: Uint8Array): Decoded<Attributes, 'attribute-length'> {
  const attributes = new Map<number, Uint8Array>();
  let rest = bytes;
  while (rest.length > 0) {
    if (rest.length < attributeHeaderLength) return refused('attribute-length');
    const length = hostUint16At(rest, 0);
    if (length < attributeHeaderLength || length > rest.length) return refused('attribute-length');
    attributes.set(hostUint16At(rest, 2) & ~attributeFlags, rest.subarray(attributeHeaderLength, length));
    rest = rest.subarray(align(length));
  }
  return decoded(attributes);
}

/** The first attribute of that type, without looking at what comes after it; undefined when there is none, or something cut off before it. */
export function findAttribute(bytes: Uint8Array, type: number): Uint8Array | undefined {
  for (let at = 0; at + attributeHeaderLength <= bytes.length; ) {
    const length = hostUint16At(bytes, at);
    if (length < attributeHeaderLength || at + length > bytes.length) return undefined;
    if ((hostUint16At(bytes, at + 2) & ~attributeFlags) === type)
      return bytes.subarray(at + attributeHeaderLength, at + length);
    at += align(length);
  }
  return undefined;
}

/**
 * The error code that the payload of an NLMSG_ERROR or NLMSG_DONE begins with, by name; undefined for success. The names are
 * libuv's, which calls EOPNOTSUPP `ENOTSUP`.
 */
export function errorCode(payload: Uint8Array): string | undefined {
  if (payload.length < 4) return undefined;
  const error = hostUint32At(payload, 0) | 0;
  return error < 0 ? getSystemErrorName(error) : undefined;
}

/** `undefined` when the attribute is shorter than its type. */
export function uint32(payload: Uint8Array | undefined): number | undefined {
  return payload === undefined || payload.length < 4 ? undefined : hostUint32At(payload, 0);
}

/** `undefined` when the attribute is shorter than its type. */
export function uint64(payload: Uint8Array | undefined): bigint | undefined {
  if (payload === undefined || payload.length < 8) return undefined;
  return new DataView(payload.buffer, payload.byteOffset, payload.length).getBigUint64(0, littleEndian);
}

/** `undefined` when the attribute is shorter than its type. */
export function uint16(payload: Uint8Array | undefined): number | undefined {
  return payload === undefined || payload.length < 2 ? undefined : hostUint16At(payload, 0);
}

/** The caller has checked the length. */
export function hostUint16At(bytes: Uint8Array, offset: number): number {
  const [low, high] = littleEndian ? [offset, offset + 1] : [offset + 1, offset];
  return (bytes[low] ?? 0) | ((bytes[high] ?? 0) << 8);
}

export function hostUint32At(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(offset, littleEndian);
}

export function networkUint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

export function networkUint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
}

/** A text that ends with a zero byte. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

export function hostUint16(value: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(value).buffer);
}

export function hostUint32(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function align(length: number): number {
  return (length + 3) & ~3;
}
