import type { Family, Ip } from '../net/ip.js';
import type { Mac } from '../net/mac.js';
import type { Millis } from '../time/instant.js';

// Every contact with Linux, in one file. kernel/linux/ has the real implementations, test/fakes/ the others; the suites
// in test/contract/ run on both. Whatever the kernel refuses arrives as a KernelError; "already so" is success.

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: Mac | undefined;
  /** Administratively up and with carrier (IFF_UP and IFF_LOWER_UP): frames can leave. */
  readonly up: boolean;
}

export type Lifetime = Millis | 'forever';

/** An address on an interface, as rtnetlink reports it. */
export interface InterfaceAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly link: number;
  /** Time until the kernel removes it by itself (`valid_lft`, whole seconds). */
  readonly lifetime: Lifetime;
  /** IFA_F_DEPRECATED or preferred_lft 0: never chosen as the source of new connections. */
  readonly deprecated: boolean;
  /** IFA_PROTO; undefined on kernels before 5.18 and on addresses that carry none. */
  readonly protocol: number | undefined;
}

/** The IFA_PROTO of addresses that vipd adds ("v"). */
export const vipdAddressProtocol = 118;

/** A virtual IP to be put on an interface. `lifetime` is rounded down to whole seconds, the kernel's unit, but never to 0. */
export interface VirtualAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly link: number;
  readonly lifetime: Lifetime;
}

export type NetworkChange =
  | { readonly kind: 'address-removed'; readonly ip: Ip; readonly link: number }
  | { readonly kind: 'address-added'; readonly address: InterfaceAddress }
  | { readonly kind: 'link'; readonly link: Link }
  | { readonly kind: 'link-removed'; readonly index: number }
  /** The kernel dropped notifications (ENOBUFS): whoever cares lists anew. */
  | { readonly kind: 'overrun' };

/** Addresses and interfaces of this host (rtnetlink). */
export interface Network {
  links(): Promise<readonly Link[]>;
  addresses(): Promise<readonly InterfaceAddress[]>;
  /** The interface of the default route with the lowest metric; undefined when there is none. */
  defaultRouteLink(family: Family): Promise<number | undefined>;
  /**
   * Adds the address, or gives the one that is there a new lifetime. It is never the source of the node's own connections
   * (IPv4: scope host and preferred_lft 0, IPv6: preferred_lft 0, no duplicate address detection) and adds no prefix route.
   * The request is handed to the kernel before this function returns; the promise is the kernel's answer. An IPv4 prefix shorter
   * than /32 is refused (`EINVAL`) in the subnet of another address of the interface; everything is (`EMFILE`) when this process can
   * open no file any more.
   */
  putAddress(address: VirtualAddress): Promise<void>;
  /** Removes the address; success when it is not there. */
  removeAddress(address: Pick<VirtualAddress, 'ip' | 'prefixLength' | 'link'>): Promise<void>;
  /**
   * Calls `onChange` for every change of addresses and links until disposed. What was there before may be reported once as if it
   * were new; a refreshed lifetime is not reported.
   */
  watch(onChange: (change: NetworkChange) => void): Disposable;
}

/** ARP (RFC 826), or neighbour solicitations and advertisements (ICMPv6 types 135 and 136, RFC 4861). */
export type PacketProtocol = 'arp' | 'ndp';

/**
 * A socket on one interface for whole Ethernet frames (AF_PACKET; a kernel filter passes one protocol only, attached before the
 * socket is bound). While the interface is down it is silent, and it is heard again by itself; once the interface is gone it is
 * silent for good.
 */
export interface PacketSocket extends Disposable {
  /** Sends one whole Ethernet frame. Throws KernelError (`ENETDOWN`, `ENXIO`, …). */
  send(frame: Uint8Array): void;
}

export interface PacketSockets {
  /**
   * Opens a socket on an interface. `onFrame` gets every received frame of the protocol (of a longer one the first 2048 bytes),
   * Ethernet header included, never our own. While the socket is open the interface is in `groups`, IPv6 multicast groups.
   * After `onError` the socket is closed. Throws KernelError.
   */
  open(
    where: { readonly link: number; readonly protocol: PacketProtocol; readonly groups: readonly Ip[] },
    onFrame: (frame: Uint8Array) => void,
    onError: (error: KernelRefusal) => void,
  ): PacketSocket;
}

/**
 * A raw socket for VRRP (protocol 112) of one family on one interface, for one virtual router: a kernel filter passes its VRID only,
 * and a bounded buffer keeps what is not read. While the interface is down it is silent, and it is heard again by itself.
 */
export interface VrrpSocket extends Disposable {
  /** Sends one whole IP packet, header included, to the destination in it. Throws KernelError (`ENETUNREACH`, `EPERM`, `EINVAL`, …). */
  send(packet: Uint8Array): void;
  /** Calls `onPacket` for everything that has been received until now, before it returns. */
  drain(): void;
}

export interface VrrpSockets {
  /**
   * Opens a socket. `onPacket` gets every received packet, IP header included, of whichever destination, never our own. With `group`
   * the interface is in VRRP's group (224.0.0.18, ff02::12) while the socket is open. After `onError` the socket is closed. Throws
   * KernelError.
   */
  open(
    where: {
      readonly link: number;
      readonly family: Family;
      readonly virtualRouterId: number;
      readonly group: boolean;
    },
    onPacket: (packet: Uint8Array) => void,
    onError: (error: KernelRefusal) => void,
  ): VrrpSocket;
}

export interface KernelRefusal {
  readonly operation: string;
  readonly code: string;
}

/** VIP:port of this host answered by another local port, for clients from outside and on this host alike. */
export interface Redirect {
  readonly ip: Ip;
  readonly port: number;
  readonly toPort: number;
}

/**
 * Of processes that went on one in place of the other each has tables of its own: the kernel lets nobody else change them. From 0 to
 * `generations` - 1, and then from 0 again.
 */
export type Generation = number;
export const generations = 16;

/** The daemon's own nftables table; nobody else's is touched. */
export interface Redirects {
  /**
   * Makes the table hold exactly these, in one transaction; with none the table is removed, and with it the translation of
   * connections that are still open.
   */
  set(redirects: readonly Redirect[]): Promise<void>;
}

/** An open file on its way between two processes. Disposing closes this copy of it; `handle` is the adapter's. */
export interface Descriptor extends Disposable {
  readonly handle: object;
}

/** One connection between two processes of this host. Messages stay whole and in order. Disposing it is its end for the peer. */
export interface Channel extends Disposable {
  /**
   * Sends a message of 1 to 65536 bytes with at most 253 descriptors, which stay open here. Never waits. Throws KernelError: `EAGAIN` when
   * the peer does not read, `EPIPE` when it is gone, `EMSGSIZE`, `EBADF`.
   */
  send(payload: Uint8Array, descriptors?: readonly Descriptor[]): void;
}

export interface ChannelEvents {
  /** The descriptors are the receiver's to dispose. */
  onMessage(
    message: { readonly payload: Uint8Array; readonly descriptors: readonly Descriptor[] },
    channel: Channel,
  ): void;
  /**
   * The channel is closed: `ECONNRESET` when the peer has gone, `EMSGSIZE` when its message was too long, `EMFILE` when this process may not have
   * so many files. Not after disposing.
   */
  onEnd(because: KernelRefusal, channel: Channel): void;
}

/** A process that was started and goes its own way. */
export interface Launched {
  readonly pid: number;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
  kill(): void;
}

/** Starts processes that may outlive this one. */
export interface Launcher {
  /** Rejects with an Error of one sentence when it cannot. */
  launch(command: readonly string[], environment: Readonly<Record<string, string | undefined>>): Promise<Launched>;
}

/** One name for each network namespace, which one process has, or several that handed each other a copy. */
export interface HostLocks {
  /** Throws KernelError (`EADDRINUSE` when another has it). */
  take(): Descriptor;
}

/** Messages with open files, between processes of this user or root (unix(7)); others are hung up on. */
export interface Channels {
  /**
   * Listens at a path, with mode 0600. A socket that is there is replaced, in one step: who may do that is for the caller to know.
   * Throws KernelError (`EEXIST` when something else is there). At most 8 peers at once; more are hung up on. After `onError` it is
   * closed. Disposing removes the socket unless another has replaced it; open channels live on.
   */
  listen(path: string, events: ChannelEvents, onError: (error: KernelRefusal) => void): Disposable;
  /** Throws KernelError: `ENOENT`, `ECONNREFUSED` when nobody listens any more, `EAGAIN` when too many wait, `EPERM` when another user listens. */
  connect(path: string, events: ChannelEvents): Channel;
}

/** One backend in the relay's table. */
export interface RelayBackend {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
}

/** The part of the connections that a backend gets, beside the others: a whole number from 1 to 256. */
export interface Weighted {
  readonly weight: number;
}

export interface RelayBackendStats extends RelayBackend {
  readonly open: number;
  readonly total: number;
  /** Connection attempts that the backend refused or did not answer in time. */
  readonly failed: number;
  /** Connections that ended with a reset from the backend's side, or from ours towards it. */
  readonly reset: number;
  readonly bytesFromClient: bigint;
  readonly bytesToClient: bigint;
}

export interface RelayStats {
  /** Whether new clients may still be taken: after `leave` until that is done. */
  readonly accepts: boolean;
  /** Client connections in hand, those too that have no backend yet. When it accepts no more, this number only falls. */
  readonly connections: number;
  /** Client connections refused because no backend took them. */
  readonly refused: number;
  /** Calls of `reset` without a backend that have been carried out. */
  readonly resets: number;
  /** Connections that ended, by HAProxy's two letters for why (native/relay_ending.h). */
  readonly endings: Readonly<Record<string, number>>;
  /** Those in the table, in its order, then those that left it while connections to them are open. */
  readonly backends: readonly RelayBackendStats[];
}

/** A listening socket of the relay. Disposing stops listening; connections that are open live on until reset, and are counted. */
export interface RelayListener extends Disposable {
  readonly port: number;
  /**
   * Replaces the table of backends at once. New connections take them in turns, as many as their weight in each round, or the one
   * with the fewest connections for its weight; one that refuses or does not answer within `connectTimeout` is skipped for the next at
   * once, each tried once per connection; with none left the client is reset.
   */
  setBackends(
    backends: readonly (RelayBackend & Weighted)[],
    options: {
      readonly scheduler: 'roundrobin' | 'leastconn';
      readonly connectTimeout: Millis;
      /** Whether each connection begins with a header that tells the backend who its client is. */
      readonly proxyProtocol: 'off' | 'v2';
    },
  ): void;
  /** Resets, towards both sides, the open connections to one backend, or all of them. Also of a listener that is disposed. */
  reset(backend?: RelayBackend): void;
  /** Reads the counters without stopping anything. */
  stats(): RelayStats;
  /** A copy of the listening socket, for another process to adopt. Throws KernelError (`EBADF` once disposed or left). */
  descriptor(): Descriptor;
  /**
   * Leaves the socket to whoever adopted it: takes the clients that wait at this moment, then no more, and closes its own copy, which
   * disposing would end for everybody. Open connections live on and are counted, as are those being connected. When nobody else
   * has the socket, clients are refused from then on.
   */
  leave(): void;
}

/**
 * The TCP relay engine: its own threads, no payload in JavaScript. Disposing it resets every connection before it returns; so does
 * the end of the process, however it ends.
 */
export interface Relay extends Disposable {
  /** Port 0 picks a free one. With `freebind` the address need not be on this host yet (IP_FREEBIND). Throws KernelError. */
  listen(options: { readonly ip: Ip; readonly port: number; readonly freebind: boolean }): RelayListener;
  /**
   * Listens with a copy of a socket that another process listens with, at this very address; both may take clients. Takes them from the
   * first call of `setBackends` on. Throws KernelError: `ENOTSOCK`, `EPROTOTYPE` (not TCP), `EINVAL` (it does not listen), `EADDRNOTAVAIL`
   * (it listens elsewhere).
   */
  adopt(descriptor: Descriptor, at: Endpoint): RelayListener;
  /**
   * How far each of its threads has come: a number that is another at the next call, unless the thread makes no progress. One that stands
   * still for good at a bug of its own has the number of the signal, below zero.
   */
  progress(): readonly number[];
}

/** Linux capabilities of this process, by name without `CAP_` (`NET_ADMIN`). */
export interface Capabilities {
  effective(): ReadonlySet<string>;
}

/** VIP:port whose TCP connections the kernel distributes over backends. */
export interface BalancedService {
  readonly ip: Ip;
  readonly port: number;
  /** nftables knows no other. */
  readonly scheduler: 'roundrobin';
  /**
   * Of several with the same address and port the first one counts. Those of the other address family are left out: NAT does not
   * cross families.
   */
  readonly backends: readonly BalancedBackend[];
}

export interface BalancedBackend extends Weighted {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
  /** Gets no new connections; open ones go on and are counted. */
  readonly draining: boolean;
}

export interface BalancedBackendStats {
  readonly service: { readonly ip: Ip; readonly port: number };
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
  /** Connections given to this backend since it is in the table. */
  readonly total: number;
  /** Bytes of whole IP packets, headers included. */
  readonly bytesFromClient: bigint;
  readonly bytesToClient: bigint;
}

/** Balancing by an nftables table of the daemon's own; nobody else's is touched. */
export interface NftBalancing {
  /**
   * Makes the table hold exactly these services, in one transaction; with none the table is removed. Open connections stay with
   * their backends, listed or not (`Flows.reset` ends them), but for the end of the table: with it the translation may end of
   * connections that are still open.
   * A service without a backend that takes connections refuses its clients at once.
   */
  set(services: readonly BalancedService[]): Promise<void>;
  /** Of the services set last, in their order. A backend that `set` no longer lists loses its counters. */
  stats(): Promise<readonly BalancedBackendStats[]>;
}

/** A TCP connection through VIP:port to a backend, of IPVS and nftables alike, as connection tracking knows it. */
export interface Flow {
  readonly client: { readonly ip: Ip; readonly port: number };
  readonly service: { readonly ip: Ip; readonly port: number };
  readonly backend: { readonly ip: Ip; readonly port: number };
  /** Where the backend sends its answers: the client, or this host where it is the connection's source. */
  readonly answersTo: { readonly ip: Ip; readonly port: number };
  /** `open`: established, or closed by one side only. */
  readonly phase: 'opening' | 'open' | 'over';
  /** What the kernel knows this connection by, and no later one. */
  readonly identity: Uint8Array;
}

/** Connections as connection tracking knows them. */
export interface Flows {
  /** The connections through a service to one backend, or to all. */
  find(
    service: { readonly ip: Ip; readonly port: number },
    backend?: { readonly ip: Ip; readonly port: number },
  ): Promise<readonly Flow[]>;
  /**
   * Forgets these connections. Those that were not established yet find another backend with their next segment. With `which:
   * 'all'` the open ones are reset, on both sides, and the promise is their number: an end that is reachable and answers gets a
   * valid reset at once, idle or not; one that does not, with the next segment that it sends. With `opening` they stay.
   *
   * Only when new connections no longer go to the backend. nftables: leave the backend out, find, reset. IPVS: weight 0, find,
   * remove the destination (which forgets its connections itself, so that they cannot be found any more), reset.
   */
  reset(flows: readonly Flow[], which: 'all' | 'opening'): Promise<number>;
}

/** Where clients or backends are reached by TCP. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

/** Round robin, least connection, and both by weight: of a weight `rr` and `lc` only see whether it is 0. */
export type IpvsScheduler = 'rr' | 'lc' | 'wrr' | 'wlc';

/** A backend of an IPVS service, reached by masquerading. With weight 0 it keeps its open connections and gets no new ones. */
export interface IpvsDestination extends Endpoint {
  readonly weight: number;
}

/** One change of the kernel's table. All are of TCP services; "already so" is success. */
export type IpvsCommand =
  | { readonly kind: 'add-service' | 'update-service'; readonly service: Endpoint; readonly scheduler: IpvsScheduler }
  | { readonly kind: 'remove-service'; readonly service: Endpoint }
  | {
      readonly kind: 'add-destination' | 'update-destination';
      readonly service: Endpoint;
      readonly destination: IpvsDestination;
    }
  | { readonly kind: 'remove-destination'; readonly service: Endpoint; readonly destination: Endpoint };

/** What went through since the service or destination was added. The kernel sums its counters up every two seconds. */
export interface IpvsCounters {
  readonly connections: bigint;
  readonly packetsFromClient: bigint;
  readonly packetsToClient: bigint;
  readonly bytesFromClient: bigint;
  readonly bytesToClient: bigint;
}

export interface PresentDestination extends IpvsDestination {
  /** As vipd makes it: reached by masquerading, no thresholds. */
  readonly plain: boolean;
  /** Established connections. */
  readonly active: number;
  /** Connections that are beginning, closing, or closed and remembered. */
  readonly inactive: number;
  readonly counters: IpvsCounters;
}

/** A TCP service as it is in the kernel's table. */
export interface PresentService extends Endpoint {
  readonly scheduler: string;
  /** As vipd makes it: no persistence, no other flags, no persistence engine. */
  readonly plain: boolean;
  readonly counters: IpvsCounters;
  readonly destinations: readonly PresentDestination[];
}

/** What a service is known by, whoever made it. */
export type IpvsServiceName =
  | ({ readonly kind: 'address'; readonly protocol: 'tcp' | 'udp' | 'sctp' | 'other' } & Endpoint)
  /** Packets that carry a firewall mark. */
  | { readonly kind: 'mark'; readonly mark: number };

export type IpvsRefusal =
  /** The kernel knows no generic netlink family IPVS and has no module ip_vs that it could load. */
  | 'no-ip-vs'
  /** The scheduler is neither in the kernel nor a module that it could load. */
  | 'no-scheduler'
  /** CAP_NET_ADMIN is missing in the user namespace that owns the network namespace. */
  | 'not-permitted';

export type IpvsSupport =
  | { readonly ok: true /** Of the kernel's IPVS: `1.2.1`. */; readonly version: string }
  | { readonly ok: false; readonly because: IpvsRefusal };

/** The kernel's layer-4 switch in this network namespace (generic netlink family IPVS). */
export interface Ipvs {
  /**
   * Whether IPVS can be had, tried by adding a service on an address of TEST-NET-1 (RFC 5737) and removing it. Asking makes the
   * kernel load its modules where it has them.
   */
  probe(scheduler: IpvsScheduler): Promise<IpvsSupport>;
  /** All services there are, of whoever. */
  services(): Promise<readonly IpvsServiceName[]>;
  /** A TCP service with its destinations; undefined when there is none. */
  read(service: Endpoint): Promise<PresentService | undefined>;
  /**
   * One after the other, until one is refused. Adding what is there updates it, updating what is not there adds it, removing what
   * is not there is done; but a destination needs its service (`ESRCH`).
   */
  apply(commands: readonly IpvsCommand[]): Promise<void>;
}

/** A service of IPVS, as the packet filter helps it. */
export interface MasqueradedService extends Endpoint {
  /**
   * No destination takes new connections: clients get a reset at once. IPVS alone refuses with an ICMP message, of which the kernel
   * sends each client no more than one a second (`net/ipv4/icmp_ratelimit`), and which a client on this host may miss.
   */
  readonly refuses: boolean;
}

/**
 * What IPVS needs of the packet filter, in a table (nftables) or chains (iptables) of the daemon's own: source NAT for what it forwards,
 * and resets.
 */
export interface Masquerade {
  /**
   * Connections to exactly these leave this host with its own address, so that replies come back through it, whoever the client
   * is. In one transaction (iptables: one for each of its tables); with none, what is ours is removed, also what an earlier life has
   * left. For IPVS's connections it needs `net/ipv4/vs/conntrack`.
   */
  set(services: readonly MasqueradedService[]): Promise<void>;
}

/**
 * Kernel settings of this network namespace by their name below /proc/sys, with slashes (`net/ipv4/ip_forward`), as sysctl(8) takes
 * it too. KernelErrors are named after what was tried; `EROFS` in containers that see /proc/sys read-only.
 */
export interface Sysctls {
  /** Undefined when the kernel has no such setting. */
  read(name: string): Promise<string | undefined>;
  write(name: string, value: string): Promise<void>;
  /** The names in a folder; none when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
}

/** A kernel setting that vipd changed. */
export interface SysctlChange {
  readonly name: string;
  readonly before: string;
  readonly value: string;
}

/** The changed settings, kept where the next life of a killed daemon finds them and a reboot does not. */
export interface SysctlMemory {
  load(): Promise<readonly SysctlChange[]>;
  /** Replaces what is kept. */
  save(changes: readonly SysctlChange[]): Promise<void>;
}

export type LookupAnswer =
  | { readonly ok: true; readonly ips: readonly Ip[] }
  /** The resolver's word (`ENOTFOUND`, `EAI_AGAIN`). */
  | { readonly ok: false; readonly code: string };

/** This host's own way from names to addresses: /etc/hosts, DNS, whatever nsswitch.conf says. */
export interface Resolver {
  /** The addresses of both families. Never rejects, and takes as long as the host's resolver takes with dead servers: a minute. */
  lookup(name: string): Promise<LookupAnswer>;
}

/** How a program ended. */
export type ProgramEnd =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: string }
  /** It took too long: its process group was told to end (SIGTERM), and is killed 2 s later. */
  | { readonly kind: 'timeout' }
  /** There is no such program, or it must not be run: the errno. */
  | { readonly kind: 'not-started'; readonly code: string };

export interface ProgramRun {
  readonly ended: Promise<ProgramEnd>;
  /** Resolves when no process of it is waited for any more; after a timeout that is later than `ended`. */
  readonly gone: Promise<void>;
  /** Ends it as a timeout does. */
  stop(): void;
  /** Ends it at once, with all that it started. */
  kill(): void;
}

/** Programs that the operator names, run with the rights of the daemon. */
export interface Programs {
  /**
   * Runs a program without a shell, in a process group of its own, without input or output.
   * @param command the program (an absolute path, or a name that is looked for in PATH), and its arguments
   * @param leaves whether what it started may go on when it has ended; else that is killed
   */
  run(command: readonly string[], timeout: Millis, leaves: 'children' | 'nothing'): ProgramRun;
  /** Why the program could not be run now: the errno; undefined when it could. */
  refusal(command: readonly string[]): Promise<string | undefined>;
}

/** Whoever has started this process and watches it: systemd, as sd_notify(3) has it. */
export interface Supervisor {
  /** Tells it these in one message: `READY=1`, `STATUS=…`. Never waits. Throws KernelError. */
  tell(assignments: readonly string[]): void;
}
