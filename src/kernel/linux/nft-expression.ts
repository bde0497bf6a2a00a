import { type Family, familyOf, ipBytes } from '../../net/ip.js';
import type { EndpointCounter, Statement } from '../../nft/table.js';
import { attribute, concat, hostUint32, nested, networkUint16, networkUint32, text } from './netlink-message.js';

// Statements as nf_tables expressions (linux/netfilter/nf_tables.h). Registers hold 4 bytes each, in network byte order unless
// the kernel's own number is in the machine's.

export const protocolFamily = { inet: 1, 4: 2, 6: 10 } as const;

const register = 1;
/** NFT_REG32_00 and what follows: 4 bytes each, from where NFT_REG_1 begins. */
const firstRegister32 = 8;
/** NFT_META_* */
const meta = { iif: 4, oif: 5, protocolFamily: 15, layer4Protocol: 16 } as const;
/** NFT_CT_* */
const ct = { direction: 1, status: 2, destinationPort: 12, destination: { 4: 20, 6: 22 } } as const;
/** NFT_PAYLOAD_* */
const header = { network: 1, transport: 2 } as const;
/** NFT_CMP_* */
const comparison = { equal: 0, notEqual: 1 } as const;
const directions = { original: 0, reply: 1 } as const;
const protocolTcp = 6;
const statusDnat = 1 << 5; // IPS_DST_NAT
const loopbackIndex = 1;
const addressTypeLocal = 2; // RTN_LOCAL

/** A map from keys to counters that belongs to one rule and ends with it. It is sent before the rule, which knows it by its number. */
export interface CounterMap {
  /** Unique in the transaction. */
  readonly id: number;
  readonly keyType: number;
  readonly keyLength: number;
  readonly elements: readonly { readonly key: Uint8Array; readonly counter: string }[];
}

/** The kernel numbers the names of such maps. */
export const counterMapName = '__objmap%d';

export interface Encoded {
  readonly expressions: readonly Uint8Array[];
  readonly maps: readonly CounterMap[];
}

/** @param nextMapId gives a number that no other map of the transaction has */
export function encodeStatements(statements: readonly Statement[], nextMapId: () => number): Encoded {
  const expressions: Uint8Array[] = [];
  const maps: CounterMap[] = [];
  for (const statement of statements) {
    if (statement.kind === 'count-by') {
      const map = counterMap(statement.family, statement.counters, nextMapId());
      maps.push(map);
      expressions.push(...countBy(statement.end, statement.family, map));
    } else {
      expressions.push(...encode(statement));
    }
  }
  return { expressions, maps };
}

function encode(statement: Exclude<Statement, { readonly kind: 'count-by' }>): readonly Uint8Array[] {
  switch (statement.kind) {
    case 'to':
    case 'from':
      return [
        ...isFamily(familyOf(statement.ip)),
        loadAddress(statement.kind, familyOf(statement.ip), register),
        compare(ipBytes(statement.ip)),
        ...isTcp(),
        loadPort(statement.kind, register),
        compare(networkUint16(statement.port)),
      ];
    case 'originally-to': {
      const family = familyOf(statement.ip);
      return [
        ...isFamily(family),
        loadCt(ct.destination[family], 'original'),
        compare(ipBytes(statement.ip)),
        ...isTcp(),
        loadCt(ct.destinationPort, 'original'),
        compare(networkUint16(statement.port)),
      ];
    }
    case 'syn':
      // Of the 13th byte FIN 1, SYN 2, RST 4, ACK 16.
      return [load(header.transport, 13, 1, register), mask(Uint8Array.of(0x17)), compare(Uint8Array.of(2))];
    case 'to-this-host':
      // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR
      return [expression('fib', ...numbers({ 1: register, 2: 3, 3: 2 })), compare(hostUint32(addressTypeLocal))];
    case 'translated':
      return [loadCt(ct.status), mask(hostUint32(statusDnat)), compare(hostUint32(0), comparison.notEqual)];
    case 'direction':
      return [loadCt(ct.direction), compare(Uint8Array.of(directions[statement.is]))];
    case 'not-loopback':
      return [
        loadMeta(statement.interface === 'in' ? meta.iif : meta.oif),
        compare(hostUint32(loopbackIndex), comparison.notEqual),
      ];
    case 'dnat':
      return dnat(statement);
    case 'masquerade':
      return [expression('masq')];
    case 'reset':
      return [expression('reject', attribute(1, networkUint32(1)), attribute(2, Uint8Array.of(0)))]; // NFT_REJECT_TCP_RST
    case 'notrack':
      return [expression('notrack')];
    case 'count':
      return [
        expression('objref', attribute(1, networkUint32(objectTypeCounter)), attribute(2, text(statement.counter))),
      ];
    case 'jump':
    case 'goto':
      return [immediate(verdictRegister, verdict(statement.kind, statement.chain))];
    case 'every':
      // NFT_NG_INCREMENTAL: 0, 1, … and again 0, in the machine's byte order
      return [expression('numgen', ...numbers({ 1: register, 2: statement.of, 3: 0 })), compare(hostUint32(0))];
  }
}

/** NFT_OBJECT_COUNTER */
export const objectTypeCounter = 1;

const verdictRegister = 0;

/** NFTA_DATA_VERDICT with NFT_JUMP or NFT_GOTO */
function verdict(kind: 'jump' | 'goto', chain: string): Uint8Array {
  return nested(2, attribute(1, networkUint32(kind === 'jump' ? -3 : -4)), attribute(2, text(chain)));
}

function dnat({ family, ip, port }: Extract<Statement, { readonly kind: 'dnat' }>): readonly Uint8Array[] {
  // NFT_NAT_DNAT, family, then NFTA_NAT_REG_ADDR_MIN and NFTA_NAT_REG_PROTO_MIN. An address may take four registers.
  const portRegister = ip === undefined ? register : register + 1;
  const type = { 1: 1, 2: protocolFamily[family] };
  return [
    ...(ip === undefined ? [] : [immediate(register, attribute(1, ipBytes(ip)))]),
    immediate(portRegister, attribute(1, networkUint16(port))),
    expression(
      'nat',
      ...numbers(ip === undefined ? { ...type, 5: register } : { ...type, 3: register, 5: portRegister }),
    ),
  ];
}

function counterMap(family: Family, counters: readonly EndpointCounter[], id: number): CounterMap {
  const elements = counters.map(({ ip, port, counter }) => ({
    // Every part of a key fills up words of four bytes.
    key: concat(ipBytes(ip), networkUint16(port), Uint8Array.of(0, 0)),
    counter,
  }));
  const keyType = (datatype[family] << datatype.bits) | datatype.port;
  return { id, keyType, keyLength: addressLength[family] + 4, elements };
}

const addressLength = { 4: 4, 6: 16 } as const;
/** nft's numbers for the types of keys, by which it prints maps; a concatenation has 6 bits for each. */
const datatype = { 4: 7, 6: 8, port: 13, bits: 6 } as const;

function countBy(end: 'to' | 'from', family: Family, map: CounterMap): readonly Uint8Array[] {
  return [
    ...isFamily(family),
    ...isTcp(),
    loadAddress(end, family, firstRegister32),
    loadPort(end, firstRegister32 + addressLength[family] / 4),
    expression(
      'objref',
      ...numbers({ 3: firstRegister32 }),
      attribute(4, text(counterMapName)),
      ...numbers({ 5: map.id }),
    ),
  ];
}

function isFamily(family: Family): readonly Uint8Array[] {
  return [loadMeta(meta.protocolFamily), compare(Uint8Array.of(protocolFamily[family]))];
}

function isTcp(): readonly Uint8Array[] {
  return [loadMeta(meta.layer4Protocol), compare(Uint8Array.of(protocolTcp))];
}

function loadAddress(end: 'to' | 'from', family: Family, into: number): Uint8Array {
  if (family === 4) return load(header.network, end === 'to' ? 16 : 12, 4, into);
  return load(header.network, end === 'to' ? 24 : 8, 16, into);
}

function loadPort(end: 'to' | 'from', into: number): Uint8Array {
  return load(header.transport, end === 'to' ? 2 : 0, 2, into);
}

function load(base: number, offset: number, length: number, into: number): Uint8Array {
  return expression('payload', ...numbers({ 1: into, 2: base, 3: offset, 4: length }));
}

function loadMeta(key: number): Uint8Array {
  return expression('meta', ...numbers({ 1: register, 2: key }));
}

function loadCt(key: number, direction?: keyof typeof directions): Uint8Array {
  const which = direction === undefined ? [] : [attribute(3, Uint8Array.of(directions[direction]))];
  return expression('ct', ...numbers({ 1: register, 2: key }), ...which);
}

function mask(bits: Uint8Array): Uint8Array {
  const xor = new Uint8Array(bits.length);
  return expression(
    'bitwise',
    ...numbers({ 1: register, 2: register, 3: bits.length }),
    nested(4, attribute(1, bits)),
    nested(5, attribute(1, xor)),
  );
}

function compare(bytes: Uint8Array, how: number = comparison.equal): Uint8Array {
  return expression('cmp', ...numbers({ 1: register, 2: how }), nested(3, attribute(1, bytes)));
}

/** @param data NFTA_DATA_VALUE or NFTA_DATA_VERDICT */
function immediate(into: number, data: Uint8Array): Uint8Array {
  return expression('immediate', ...numbers({ 1: into }), nested(2, data));
}

/** Attributes that are 32-bit numbers, by type. */
function numbers(values: Readonly<Record<number, number>>): readonly Uint8Array[] {
  return Object.entries(values).map(([type, value]) => attribute(Number(type), networkUint32(value)));
}

/** NFTA_LIST_ELEM with NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
function expression(name: string, ...attributes: readonly Uint8Array[]): Uint8Array {
  return nested(1, attribute(1, text(name)), nested(2, ...attributes));
}
