import { type Decoded, decoded, refused } from '../../net/bytes.js';
import type { Chain, Count, Hook, Rule, Table } from '../../nft/table.js';
import {
  attribute,
  concat,
  decodeAttributes,
  messageFlag,
  type NetlinkMessage,
  type NetlinkRequest,
  nested,
  networkUint16,
  networkUint32,
  text,
} from './netlink-message.js';
import {
  type CounterMap,
  counterMapName,
  encodeStatements,
  objectTypeCounter,
  protocolFamily,
} from './nft-expression.js';

// nf_tables over nfnetlink (linux/netfilter/nfnetlink.h, nf_tables.h): tables as bytes. Numbers are in network byte order.

const subsystem = 10;
const batch = { begin: 16, end: 17 } as const;
const message = {
  newTable: 0,
  deleteTable: 2,
  newChain: 3,
  deleteChain: 5,
  newRule: 6,
  deleteRule: 8,
  newSet: 9,
  newSetElement: 12,
  newObject: 18,
  getObject: 19,
  deleteObject: 20,
} as const;
/** NF_INET_* */
const hooks = { prerouting: 0, input: 1, output: 3, postrouting: 4 } as const;

/** NFT_SET_ANONYMOUS, NFT_SET_CONSTANT, NFT_SET_OBJECT */
const counterMapFlags = 0x1 | 0x2 | 0x40;

/**
 * NFT_TABLE_F_OWNER (Linux 5.12): the table belongs to the socket that made it. Nobody else changes it, not even
 * `nft flush ruleset`, and it is gone with the socket, that is with the process.
 */
export const ownerFlag = 2;

/** What a table has, by name. */
export interface Names {
  readonly chains: ReadonlySet<string>;
  readonly counters: ReadonlySet<string>;
}

export function namesOf({ chains, counters }: Table): Names {
  return { chains: new Set(chains.map((chain) => chain.name)), counters: new Set(counters) };
}

/** Makes the table, empty, if it is not there. `flags` are the table's. */
export function encodeMakeTable(name: string, flags: number): readonly NetlinkRequest[] {
  return transaction([newTable(name, flags)]);
}

/** Removes the table, whether it was there or not: first it is made, which is no error if it is there. */
export function encodeRemoveTable(name: string, flags: number): readonly NetlinkRequest[] {
  return transaction([
    newTable(name, flags),
    request(message.deleteTable, 0, `delete table ${name}`, [tableName(name)]),
  ]);
}

/**
 * Gives a table that is there exactly these rules. Chains and counters that are there stay what they are, hooks and counts
 * included; those too much stay behind without rules.
 * @param before the names of what the table has
 */
export function encodeSetTable(name: string, flags: number, wanted: Table, before: Names): readonly NetlinkRequest[] {
  let maps = 0;
  const counters = wanted.counters.filter((counter) => !before.counters.has(counter));
  const chains = wanted.chains.filter((chain) => !before.chains.has(chain.name));
  return transaction([
    newTable(name, flags),
    request(message.deleteRule, 0, 'delete rules', [tableName(name)]),
    ...counters.map((counter) => newCounter(name, counter)),
    ...chains.map((chain) => newChain(name, chain)),
    ...wanted.chains.flatMap((chain) => chain.rules.flatMap((rule) => newRule(name, chain, rule, () => ++maps))),
  ]);
}

/**
 * Removes chains and counters that no rule uses. Not together with the rules: before Linux 6.5 a deleted rule's map holds on to
 * what it names until the transaction is done.
 */
export function encodeSweep(
  name: string,
  chains: readonly string[],
  counters: readonly string[],
): readonly NetlinkRequest[] {
  const type = attribute(3, networkUint32(objectTypeCounter));
  return transaction([
    ...chains.map((chain) =>
      request(message.deleteChain, 0, `delete chain ${chain}`, [tableName(name), attribute(3, text(chain))]),
    ),
    ...counters.map((counter) =>
      request(message.deleteObject, 0, `delete counter ${counter}`, [
        tableName(name),
        attribute(2, text(counter)),
        type,
      ]),
    ),
  ]);
}

export function encodeListCounters(name: string): readonly NetlinkRequest[] {
  const type = attribute(3, networkUint32(objectTypeCounter));
  return [request(message.getObject, messageFlag.dump, `counters of table ${name}`, [tableName(name), type])];
}

/** One counter of the list, with its name. */
export function decodeCounter(
  listed: NetlinkMessage,
): Decoded<readonly [string, Count], 'attribute-length' | 'not-a-counter'> {
  if (listed.type !== ((subsystem << 8) | message.newObject)) return refused('not-a-counter');
  const attributes = decodeAttributes(listed.payload.subarray(4));
  if (!attributes.ok) return attributes;
  const name = attributes.value.get(2);
  const data = attributes.value.get(4);
  if (name === undefined || data === undefined) return refused('not-a-counter');
  const counts = decodeAttributes(data);
  if (!counts.ok) return counts;
  const [bytes, packets] = [uint64(counts.value.get(1)), uint64(counts.value.get(2))];
  if (bytes === undefined || packets === undefined) return refused('not-a-counter');
  return decoded([new TextDecoder().decode(name).replace(/\0.*$/s, ''), { packets, bytes }] as const);
}

function uint64(payload: Uint8Array | undefined): bigint | undefined {
  if (payload === undefined || payload.length < 8) return undefined;
  return new DataView(payload.buffer, payload.byteOffset, payload.length).getBigUint64(0);
}

/** A batch is done as a whole or not at all. The answer to its last message stands for all; refusals come in any case. */
function transaction(requests: readonly NetlinkRequest[]): readonly NetlinkRequest[] {
  const payload = concat(Uint8Array.of(0, 0), networkUint16(subsystem));
  const acknowledged = requests.map((request, index) =>
    index === requests.length - 1 ? { ...request, flags: request.flags | messageFlag.ack } : request,
  );
  return [{ type: batch.begin, flags: 0, payload }, ...acknowledged, { type: batch.end, flags: 0, payload }];
}

function tableName(name: string): Uint8Array {
  return attribute(1, text(name));
}

function newTable(name: string, flags: number): NetlinkRequest {
  return request(message.newTable, messageFlag.create, `table ${name}`, [
    tableName(name),
    attribute(2, networkUint32(flags)),
  ]);
}

function newCounter(table: string, name: string): NetlinkRequest {
  return request(message.newObject, messageFlag.create, `counter ${name}`, [
    tableName(table),
    attribute(2, text(name)),
    attribute(3, networkUint32(objectTypeCounter)),
    nested(4),
  ]);
}

function newChain(table: string, { name, hook }: Chain): NetlinkRequest {
  return request(message.newChain, messageFlag.create, `chain ${name}`, [
    tableName(table),
    attribute(3, text(name)),
    ...(hook === undefined ? [] : hookAttributes(hook)),
  ]);
}

function hookAttributes({ type, at, priority }: Hook): readonly Uint8Array[] {
  return [
    nested(4, attribute(1, networkUint32(hooks[at])), attribute(2, networkUint32(priority))),
    attribute(7, text(type)),
  ];
}

/** The rule, after the maps that it refers to. */
function newRule(table: string, chain: Chain, rule: Rule, nextMapId: () => number): readonly NetlinkRequest[] {
  const { expressions, maps } = encodeStatements(rule.statements, nextMapId);
  return [
    ...maps.flatMap((map) => newMap(table, map, rule.subject)),
    request(message.newRule, messageFlag.create | messageFlag.append, rule.subject, [
      tableName(table),
      attribute(2, text(chain.name)),
      nested(4, ...expressions),
    ]),
  ];
}

function newMap(table: string, map: CounterMap, subject: string): readonly NetlinkRequest[] {
  const identity = [tableName(table), attribute(2, text(counterMapName))];
  // NFTA_SET_ELEM_KEY and NFTA_SET_ELEM_OBJREF
  const elements = map.elements.map(({ key, counter }) =>
    nested(1, nested(1, attribute(1, key)), attribute(9, text(counter))),
  );
  return [
    request(message.newSet, messageFlag.create, `map of ${subject}`, [
      ...identity,
      attribute(3, networkUint32(counterMapFlags)),
      attribute(4, networkUint32(map.keyType)),
      attribute(5, networkUint32(map.keyLength)),
      attribute(15, networkUint32(objectTypeCounter)),
      attribute(10, networkUint32(map.id)),
      nested(9, attribute(1, networkUint32(map.elements.length))),
    ]),
    request(message.newSetElement, messageFlag.create, `map of ${subject}`, [
      ...identity,
      attribute(4, networkUint32(map.id)),
      nested(3, ...elements),
    ]),
  ];
}

/** struct nfgenmsg (family, version, resource) and attributes. */
function request(type: number, flags: number, subject: string, attributes: readonly Uint8Array[]): NetlinkRequest {
  const payload = concat(Uint8Array.of(protocolFamily.inet, 0, 0, 0), ...attributes);
  return { subject, type: (subsystem << 8) | type, flags, payload };
}
