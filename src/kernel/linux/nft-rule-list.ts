import type { FoundRule } from '../../ipvs/foreign.js';
import { type Decoded, decoded, refused } from '../../net/bytes.js';
import { decodeAttributes, messageFlag, type NetlinkMessage, type NetlinkRequest } from './netlink-message.js';

// Reading all nf_tables rules, of whoever (linux/netfilter/nf_tables.h, NFT_MSG_GETRULE).

type NftRule = Extract<FoundRule, { readonly by: 'nftables' }>;

/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*RULE */
const newRule = (10 << 8) | 6;
const getRule = (10 << 8) | 7;
/** NFTA_RULE_* */
const attributeType = { table: 1, chain: 2, handle: 3, expressions: 4, userData: 7 } as const;
/** NFPROTO_* */
const families: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};

/** All tables of all families. */
export function encodeListRules(): readonly NetlinkRequest[] {
  return [{ type: getRule, flags: messageFlag.dump, payload: new Uint8Array(4), subject: 'all rules' }];
}

export function decodeRule({ type, payload }: NetlinkMessage): Decoded<NftRule, 'attribute-length' | 'not-a-rule'> {
  const family = families[payload[0] ?? 0];
  if (type !== newRule || family === undefined) return refused('not-a-rule');
  const attributes = decodeAttributes(payload.subarray(4));
  if (!attributes.ok) return attributes;
  const [table, chain, handle] = [attributeType.table, attributeType.chain, attributeType.handle].map((name) =>
    attributes.value.get(name),
  );
  if (table === undefined || chain === undefined || handle?.length !== 8) return refused('not-a-rule');
  const words = [
    commentIn(attributes.value.get(attributeType.userData)),
    wordsIn(attributes.value.get(attributeType.expressions)),
  ];
  return decoded({
    by: 'nftables',
    family,
    table: nameIn(table),
    chain: nameIn(chain),
    handle: new DataView(handle.buffer, handle.byteOffset).getBigUint64(0),
    words: words.join(' ').trim(),
  });
}

function nameIn(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
}

/** The comment that nft(8) keeps with a rule: triples of type, length and value, of which type 0 is a comment (libnftnl, udata.h). */
function commentIn(bytes: Uint8Array = new Uint8Array()): string {
  let at = 0;
  while (at + 2 <= bytes.length) {
    const [type = 0, length = 0] = bytes.subarray(at, at + 2);
    if (type === 0) return nameIn(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return '';
}

/** Runs of printable ASCII characters, one of which is a comment where iptables-nft has put it: in its match "comment". */
function wordsIn(bytes: Uint8Array = new Uint8Array()): string {
  return (
    Buffer.from(bytes)
      .toString('latin1')
      .match(/[ -~]{4,}/g) ?? []
  ).join(' ');
}
