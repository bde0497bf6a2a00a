/** An Ethernet hardware address as six lower-case hexadecimal pairs with colons, so that `===` compares them. */
export type Mac = string & { readonly __brand: 'Mac' };

export const broadcastMac = 'ff:ff:ff:ff:ff:ff' as Mac;
export const zeroMac = '00:00:00:00:00:00' as Mac;

/** Reads `aa:bb:cc:dd:ee:ff` in either case; undefined if it is not one. */
export function parseMac(text: string): Mac | undefined {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) ? (text.toLowerCase() as Mac) : undefined;
}

/** The address of exactly six bytes; undefined for any other length. */
export function macFromBytes(bytes: Uint8Array): Mac | undefined {
  if (bytes.length !== 6) return undefined;
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':') as Mac;
}

export function macBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}
