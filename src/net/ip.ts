import { isIPv4, isIPv6 } from 'node:net';

/** An IP address in its one canonical text form (RFC 5952 for IPv6), so that `===` compares addresses. */
export type Ip = string & { readonly __brand: 'Ip' };
export type Family = 4 | 6;

/** Reads an IPv4 or IPv6 address. No zone, no prefix, no leading zeros in IPv4. Undefined if it is not one. */
export function parseIp(text: string): Ip | undefined {
  if (isIPv4(text)) return text as Ip;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return ipFromBytes(ipv6TextToBytes(text));
}

/** The canonical address of 4 or 16 bytes; undefined for any other length. */
export function ipFromBytes(bytes: Uint8Array): Ip | undefined {
  if (bytes.length === 4) return bytes.join('.') as Ip;
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}` as Ip;
  }
  return compress(groups) as Ip;
}

export function ipBytes(ip: Ip): Uint8Array {
  return familyOf(ip) === 4 ? Uint8Array.from(ip.split('.'), Number) : ipv6TextToBytes(ip);
}

export function familyOf(ip: Ip): Family {
  return ip.includes(':') ? 6 : 4;
}

/** Whether only this host itself reaches it (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
export function isLoopback(ip: Ip): boolean {
  return familyOf(ip) === 4 ? ip.startsWith('127.') : ip === '::1';
}

export function loopbackOf(family: Family): Ip {
  return (family === 4 ? '127.0.0.1' : '::1') as Ip;
}

/** 32 or 128: the prefix length that means this one address. */
export function hostPrefix(ip: Ip): number {
  return familyOf(ip) === 4 ? 32 : 128;
}

/** `address:port`, with brackets around IPv6. */
export function endpoint(ip: Ip, port: number): string {
  return familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function ipv6TextToBytes(text: string): Uint8Array {
  let source = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted?.[1] !== undefined && dotted[2] !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted[2].split('.').map(Number);
    source = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = source.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].map((g) => Number.parseInt(g, 16));
  return Uint8Array.from(groups.flatMap((g) => [g >> 8, g & 0xff]));
}

/** RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals, becomes `::`. */
function compress(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  const hex = groups.map((g) => g.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
