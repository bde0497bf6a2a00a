import type { Ip } from '../net/ip.js';
import type { Found, FoundSettings } from './found.js';

/** What listens somewhere and hands connections on: a frontend with its backend, a listen, an nginx server with its upstream. */
export interface Service {
  /** `apiserver`: what its file calls it. */
  readonly name: Found<string>;
  readonly listens: readonly Found<Listen>[];
  readonly servers: readonly Found<Server>[];
  /** By vipd's paths, all below `loadBalancer`. */
  readonly settings: FoundSettings;
}

export interface Listen {
  /** Undefined: every address. */
  readonly ip: Ip | undefined;
  readonly port: number;
  /** As it is written. */
  readonly words: readonly string[];
}

export interface Server {
  readonly name: string;
  readonly ip: Ip;
  /** Undefined: that of the connection. */
  readonly port: number | undefined;
  /** As its file has it: 1 or more. */
  readonly weight: number;
}
