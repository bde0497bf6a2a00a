import type { Family, Ip } from '../net/ip.js';

// An nftables table as data: what it holds, not how it gets there. Only what vipd's own tables need of nftables.

export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

/** Where a chain listens. Of the chains at one hook the one with the lower priority number comes first. */
export interface Hook {
  readonly type: 'nat' | 'filter';
  readonly at: 'prerouting' | 'input' | 'output' | 'postrouting';
  readonly priority: number;
}

export interface Chain {
  readonly name: string;
  /** Undefined: reached from other chains only. */
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
}

export interface Rule {
  /** What it is about, for the operator who reads why the kernel refused it. */
  readonly subject: string;
  /** One after the other; the first match that fails ends the rule. */
  readonly statements: readonly Statement[];
}

export type Statement =
  /** `ip daddr IP tcp dport PORT`, `ip saddr IP tcp sport PORT`. */
  | ({ readonly kind: 'to' | 'from' } & Endpoint)
  /** `ct original ip daddr IP ct original proto-dst PORT`: where the client wanted to go. */
  | ({ readonly kind: 'originally-to' } & Endpoint)
  /** `tcp flags & (fin|syn|rst|ack) == syn`: the first segment of a connection. */
  | { readonly kind: 'syn' }
  /** `fib daddr type local`: the destination is an address of this host now. */
  | { readonly kind: 'to-this-host' }
  /** `ct status dnat`: the connection's destination was replaced. */
  | { readonly kind: 'translated' }
  | { readonly kind: 'direction'; readonly is: 'original' | 'reply' }
  /** `iif != lo`, `oif != lo`. */
  | { readonly kind: 'not-loopback'; readonly interface: 'in' | 'out' }
  /** NAT without an address leaves the destination as it is and replaces the port. */
  | { readonly kind: 'dnat'; readonly family: Family; readonly ip?: Ip; readonly port: number }
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'notrack' }
  | { readonly kind: 'count'; readonly counter: string }
  /** Counts in the counter of the packet's destination or source; not at all when it is none of these. */
  | {
      readonly kind: 'count-by';
      readonly end: 'to' | 'from';
      readonly family: Family;
      /** Of this address family. */
      readonly counters: readonly EndpointCounter[];
    }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** `numgen inc mod OF 0`: the first time that a packet comes here, and then every time that many packets later. */
  | { readonly kind: 'every'; readonly of: number };

export interface EndpointCounter extends Endpoint {
  readonly counter: string;
}

export interface Table {
  /** Named counters; they keep what they have counted as long as the table holds them. */
  readonly counters: readonly string[];
  readonly chains: readonly Chain[];
}

/** What a named counter has counted. */
export interface Count {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One before NF_IP_PRI_NAT_DST, where kube-proxy's and other NAT sits: of several NAT chains the first that decides counts. */
export const beforeDestinationNat = -101;
/** One before NF_IP_PRI_NAT_SRC, likewise. */
export const beforeSourceNat = 99;
