import { familyOf, type Ip } from '../net/ip.js';
import { decodeIpPacket } from '../net/ip-packet.js';
import { groupOf, type VrrpConfig } from './config.js';
import { type Advertisement, type ChecksumForm, decodeAdvertisement, passwordBytes } from './packet.js';

/** Why an advertisement on our VRID is not listened to: the same word in log, metrics, status and tests. */
export type VrrpRefusal =
  | 'length' // of the packet or the message: truncated, padded, or another number of addresses than it says
  | 'ttl' // not 255 (RFC 9568 section 5.1.1.3): it came through a router
  | 'version'
  | 'type' // no ADVERTISEMENT
  | 'checksum'
  | 'vrid'
  | 'auth' // another type or password
  | 'interval' // v2: not ours; v3: 0
  | 'own-address' // another host uses our address, or our own packets come back
  | 'not-unicast' // to the group, and we have peers
  | 'not-multicast' // to this host alone, and we have no peers
  | 'unknown-peer'
  | 'address-list';

/** An advertisement that counts. */
export interface Heard {
  readonly source: Ip;
  readonly advertisement: Advertisement;
  readonly form: ChecksumForm | undefined;
}

/** One that does not, with what can be said of it. */
export interface Unheard {
  readonly source: Ip | undefined;
  /** What it had instead: `version 3`, `192.0.2.7`. */
  readonly detail: string;
}

type Received =
  | { readonly ok: true; readonly value: Heard }
  | { readonly ok: false; readonly reason: VrrpRefusal; readonly unheard: Unheard };

/**
 * Whether a received packet (whole, header included) counts: what RFC 3768 section 7.1 and RFC 9568 section 7.1 demand, in
 * keepalived's order but for the checksum, without which nothing else in a message means what it says. Never throws.
 * An advertisement with other addresses than ours is refused as RFC 3768 has it, in v3 too: it may be of another virtual router
 * by the same number, and must not take the VIP away.
 * @param own this router's addresses that it sends from
 */
export function receive(bytes: Uint8Array, config: VrrpConfig, own: readonly Ip[]): Received {
  const packet = decodeIpPacket(bytes);
  if (!packet.ok)
    return { ok: false, reason: packet.reason, unheard: { source: undefined, detail: `${bytes.length} bytes` } };
  const { source, destination, hopLimit } = packet.value;
  const no = (reason: VrrpRefusal, detail: string): Received => ({ ok: false, reason, unheard: { source, detail } });
  const group = groupOf(familyOf(source));
  if (destination === group && hopLimit !== 255) return no('ttl', `TTL ${hopLimit}`);
  const message = decodeAdvertisement(packet.value);
  if (!message.ok) return no(message.reason, wordsFor(message.reason, packet.value.payload));
  const { form, ...advertisement } = message.value;
  const judged = judge(advertisement, config);
  if (!judged.ok) return no(judged.reason, judged.detail);
  if (own.includes(source)) return no('own-address', source);
  if (config.unicastPeers.length === 0) {
    if (destination !== group) return no('not-multicast', destination);
  } else {
    if (destination === group) return no('not-unicast', destination);
    if (!config.unicastPeers.includes(source)) return no('unknown-peer', source);
  }
  const wanted = config.addresses.filter((ip) => familyOf(ip) === familyOf(source));
  if (!sameSet(advertisement.addresses, wanted)) {
    return no('address-list', advertisement.addresses.join(', ') || 'no addresses');
  }
  return { ok: true, value: { source, advertisement, form } };
}

function wordsFor(reason: 'length' | 'version' | 'type' | 'checksum', payload: Uint8Array): string {
  const [first = 0] = payload;
  if (reason === 'length') return `${payload.length} bytes`;
  if (reason === 'version') return `version ${first >> 4}`;
  return reason === 'type' ? `type ${first & 0x0f}` : 'the checksum is wrong';
}

type Judged = { readonly ok: true } | { readonly ok: false; readonly reason: VrrpRefusal; readonly detail: string };

function judge({ version, virtualRouterId, interval, auth }: Advertisement, config: VrrpConfig): Judged {
  const no = (reason: VrrpRefusal, detail: string): Judged => ({ ok: false, reason, detail });
  if (version !== config.version) return no('version', `version ${version}`);
  if (virtualRouterId !== config.virtualRouterId) return no('vrid', `VRID ${virtualRouterId}`);
  if (version === 2) {
    const type = config.authPass === '' ? 0 : 1;
    if (auth.type !== type) return no('auth', `authentication type ${auth.type}`);
    if ('password' in auth && !sameBytes(auth.password, passwordBytes(config.authPass))) {
      return no('auth', 'another password');
    }
    if (interval !== config.advertInterval) return no('interval', `${interval} ms`);
  }
  return interval === 0 ? no('interval', '0 ms') : { ok: true };
}

/** In the same time whatever they are. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function sameSet(a: readonly Ip[], b: readonly Ip[]): boolean {
  return a.length === b.length && b.every((ip) => a.includes(ip));
}
