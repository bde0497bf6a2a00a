import type { Endpoint, Generation, RelayBackend } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Bequest } from '../vip/election.js';

/** Of these messages. Who speaks another is refused. */
export const protocolVersion = 1;

/** One VIP, as the two processes must have it alike. */
export interface VipIdentity {
  readonly name: string;
  /** All that must be the same for one to go on where the other was: addresses, interface, election, data plane. */
  readonly is: string;
  /** Why this process could not lead it, in words; undefined when it could. */
  readonly unable?: string | undefined;
}

/** What is thought of a VIP's backends: `because` is the word for a failed check. */
export interface VipOpinions {
  readonly vip: string;
  readonly backends: readonly (Endpoint & {
    readonly up: boolean;
    readonly against: number;
    readonly because?: string | undefined;
  })[];
}

/** What a process has open at one of its listeners. */
export interface Remainder extends Endpoint {
  /** The process. */
  readonly of: number;
  readonly connections: number;
  /** Only those with open connections. */
  readonly backends: readonly (RelayBackend & { readonly open: number })[];
}

/** What a process leaves of one VIP. */
export interface CededVip {
  readonly name: string;
  /** The address is on this host. */
  readonly held: boolean;
  /** Undefined when it does not lead. */
  readonly bequest?: Bequest | undefined;
}

/** From the new process, in this order; `reset` as often as need be, after `mine`. */
export type HeirMessage =
  | { readonly kind: 'take'; readonly protocol: number; readonly version: string }
  /** All is prepared; from now on the other may cede. */
  | { readonly kind: 'ready'; readonly vips: readonly VipIdentity[] }
  /** It leads what the other led. */
  | { readonly kind: 'mine' }
  | { readonly kind: 'reset'; readonly id: number; readonly ip: Ip; readonly backend?: RelayBackend | undefined };

/** From the old process, in this order; `no` instead of any of the first two, and then it leads on. */
export type GiverMessage =
  /** With the host's lock and the listeners' sockets as open files, in this order. */
  | {
      readonly kind: 'here';
      readonly listeners: readonly Endpoint[];
      readonly generation: Generation;
      /** How many processes before it still serve what was open. */
      readonly ancestors: number;
      readonly opinions: readonly VipOpinions[];
      readonly drained: readonly { readonly vip: string; readonly backend: string }[];
    }
  /** It has stopped speaking for the VIPs. */
  | { readonly kind: 'yours'; readonly vips: readonly CededVip[] }
  /** It takes no more clients. */
  | { readonly kind: 'left' }
  | { readonly kind: 'no'; readonly because: string }
  | { readonly kind: 'was-reset'; readonly id: number }
  /** What a process still has open at one listener; of a long one, this part of so many. */
  | { readonly kind: 'remaining'; readonly part: number; readonly parts: number; readonly listener: Remainder };

/** No message may be longer (`Channel.send`). */
const longest = 65_536;
/** With the longest names there are. */
const backendsInOne = 150;
/** With the longest addresses there are, and as many listeners as can be handed over. */
const opinionsAtMost = 300;

export function encode(message: HeirMessage | GiverMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** Whether the channel takes it. */
export function fits(message: Uint8Array): boolean {
  return message.length <= longest;
}

/** Messages of what is open at a listener, however many backends it has. */
export function remainders(listener: Remainder): readonly GiverMessage[] {
  const { backends } = listener;
  const parts = Math.max(1, Math.ceil(backends.length / backendsInOne));
  return Array.from({ length: parts }, (_, part) => ({
    kind: 'remaining',
    part,
    parts,
    listener: { ...listener, backends: backends.slice(part * backendsInOne, (part + 1) * backendsInOne) },
  }));
}

/** As many as one message takes: of the others the new process makes its own opinion. */
export function fewEnough(all: readonly VipOpinions[]): readonly VipOpinions[] {
  let room = opinionsAtMost;
  return all.map(({ vip, backends }) => {
    const some = backends.slice(0, room);
    room -= some.length;
    return { vip, backends: some };
  });
}

/**
 * Who sends them has the rights of this process, and speaks the same version: nothing but the kind is looked at. Undefined when
 * it is no message at all.
 */
export function decode<M extends HeirMessage | GiverMessage>(payload: Uint8Array): M | undefined {
  try {
    const message: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof (message as { readonly kind?: unknown } | null)?.kind === 'string' ? (message as M) : undefined;
  } catch {
    return undefined;
  }
}
