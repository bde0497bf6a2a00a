import { endpoint, familyOf, ipBytes } from '../../net/ip.js';
import type { Redirect } from '../ports.js';
import {
  attribute,
  concat,
  hostUint32,
  messageFlag,
  type NetlinkRequest,
  nested,
  networkUint16,
  networkUint32,
  text,
} from './netlink-message.js';

// nf_tables over nfnetlink (linux/netfilter/nfnetlink.h, nf_tables.h): vipd's table as bytes. Numbers are in network byte order.

export const tableName = 'vipd';

const subsystem = 10;
const batch = { begin: 16, end: 17 } as const;
const message = { newTable: 0, deleteTable: 2, newChain: 3, newRule: 6 } as const;
const protocolFamily = { inet: 1, ipv4: 2, ipv6: 10 } as const;
const register = 1;

/**
 * NFT_TABLE_F_OWNER (Linux 5.12): the table belongs to the socket that made it. Nobody else changes it, not even
 * `nft flush ruleset`, and it is gone with the socket, that is with the process.
 */
export const ownerFlag = 2;

interface Chain {
  readonly name: string;
  readonly hook: number;
}

/** Connections from outside and of this host's containers; connections of this host's own processes. */
const chains: readonly Chain[] = [
  { name: 'prerouting', hook: 0 },
  { name: 'output', hook: 3 },
];

/**
 * One before NF_IP_PRI_NAT_DST (-100), where kube-proxy's and other destination NAT sits: of several NAT chains the first that
 * decides about a connection is the one that counts.
 */
const priority = -101;

/** Makes the table hold exactly the redirects; with none of them it is removed. `flags` are the table's, now and before. */
export function encodeTable(redirects: readonly Redirect[], flags: number): readonly NetlinkRequest[] {
  // A table is deleted whether it was there or not: first it is made (which is no error if it is there).
  const requests = [newTable(flags), deleteTable()];
  if (redirects.length > 0) {
    requests.push(newTable(flags), ...chains.map(newChain));
    for (const redirect of redirects) requests.push(...chains.map((chain) => newRule(chain, redirect)));
  }
  return transaction(requests);
}

/** Makes the table, empty. */
export function encodeEmptyTable(flags: number): readonly NetlinkRequest[] {
  return transaction([newTable(flags)]);
}

/** A batch is done as a whole or not at all. The answer to its last message stands for all; refusals come in any case. */
function transaction(requests: readonly NetlinkRequest[]): readonly NetlinkRequest[] {
  const payload = concat(Uint8Array.of(0, 0), networkUint16(subsystem));
  const acknowledged = requests.map((request, index) =>
    index === requests.length - 1 ? { ...request, flags: request.flags | messageFlag.ack } : request,
  );
  return [{ type: batch.begin, flags: 0, payload }, ...acknowledged, { type: batch.end, flags: 0, payload }];
}

function newTable(flags: number): NetlinkRequest {
  return request(message.newTable, messageFlag.create, `table ${tableName}`, [
    attribute(1, text(tableName)),
    attribute(2, networkUint32(flags)),
  ]);
}

function deleteTable(): NetlinkRequest {
  return request(message.deleteTable, 0, `delete table ${tableName}`, [attribute(1, text(tableName))]);
}

function newChain({ name, hook }: Chain): NetlinkRequest {
  return request(message.newChain, messageFlag.create, `chain ${name}`, [
    attribute(1, text(tableName)),
    attribute(3, text(name)),
    nested(4, attribute(1, networkUint32(hook)), attribute(2, networkUint32(priority))),
    attribute(7, text('nat')),
  ]);
}

function newRule({ name }: Chain, redirect: Redirect): NetlinkRequest {
  const subject = `redirect ${endpoint(redirect.ip, redirect.port)} in chain ${name}`;
  return request(message.newRule, messageFlag.create | messageFlag.append, subject, [
    attribute(1, text(tableName)),
    attribute(2, text(name)),
    nested(4, ...redirectExpressions(redirect)),
  ]);
}

/**
 * `ip daddr VIP tcp dport PORT fib daddr type local dnat ip to :TOPORT`. NAT without an address leaves the VIP as destination;
 * the `redirect` statement would put the interface's first address there. The look-up of the address type ends the rule's effect
 * with the address: while another node has the VIP, this node's connections to it go there untouched.
 */
function redirectExpressions({ ip, port, toPort }: Redirect): readonly Uint8Array[] {
  const ipv4 = familyOf(ip) === 4;
  const family = ipv4 ? protocolFamily.ipv4 : protocolFamily.ipv6;
  return [
    expression('meta', attribute(1, networkUint32(register)), attribute(2, networkUint32(15))), // NFT_META_NFPROTO
    equals(Uint8Array.of(family)),
    load(1, ipv4 ? 16 : 24, ipv4 ? 4 : 16), // network header: destination address
    equals(ipBytes(ip)),
    expression('meta', attribute(1, networkUint32(register)), attribute(2, networkUint32(16))), // NFT_META_L4PROTO
    equals(Uint8Array.of(6)),
    load(2, 2, 2), // transport header: destination port
    equals(networkUint16(port)),
    // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR is RTN_LOCAL, a number in the machine's byte order.
    expression(
      'fib',
      attribute(1, networkUint32(register)),
      attribute(2, networkUint32(3)),
      attribute(3, networkUint32(2)),
    ),
    equals(hostUint32(2)),
    expression('immediate', attribute(1, networkUint32(register)), nested(2, attribute(1, networkUint16(toPort)))),
    // NFT_NAT_DNAT, family, NFTA_NAT_REG_PROTO_MIN
    expression(
      'nat',
      attribute(1, networkUint32(1)),
      attribute(2, networkUint32(family)),
      attribute(5, networkUint32(register)),
    ),
  ];
}

function load(base: number, offset: number, length: number): Uint8Array {
  const values = [register, base, offset, length];
  return expression('payload', ...values.map((value, index) => attribute(index + 1, networkUint32(value))));
}

/** The register holds these bytes (NFT_CMP_EQ). */
function equals(bytes: Uint8Array): Uint8Array {
  return expression(
    'cmp',
    attribute(1, networkUint32(register)),
    attribute(2, networkUint32(0)),
    nested(3, attribute(1, bytes)),
  );
}

/** NFTA_LIST_ELEM with NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
function expression(name: string, ...attributes: readonly Uint8Array[]): Uint8Array {
  return nested(1, attribute(1, text(name)), nested(2, ...attributes));
}

/** struct nfgenmsg (family, version, resource) and attributes. */
function request(type: number, flags: number, subject: string, attributes: readonly Uint8Array[]): NetlinkRequest {
  const payload = concat(Uint8Array.of(protocolFamily.inet, 0, 0, 0), ...attributes);
  return { subject, type: (subsystem << 8) | type, flags, payload };
}
