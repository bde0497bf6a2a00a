import type { Cidr } from '../net/cidr.js';
import type { Ip } from '../net/ip.js';
import type { Millis } from '../time/instant.js';

/** The whole effective configuration, read and checked. The file's keys have these names; docs/configuration.md explains them. */
export interface Settings {
  readonly node: { readonly name: string };
  readonly kubernetes: KubernetesSettings;
  readonly vips: readonly VipSettings[];
  /** `undefined` when off. An empty host means every address. */
  readonly metrics: { readonly listen: ListenAddress | undefined };
  readonly health: { readonly listen: ListenAddress | undefined };
  /** undefined: as many threads as suit the machine. */
  readonly proxy: { readonly threads: number | undefined };
  readonly admin: { readonly socket: string };
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}

export interface KubernetesSettings {
  /** `undefined`: /etc/kubernetes/admin.conf if it exists, else the pod's service account. */
  readonly kubeconfig: string | undefined;
  /** The URL of the API server to ask; undefined: as the kubeconfig has it. */
  readonly server: string | undefined;
  /** Whether the Node says by labels which VIPs it has. */
  readonly nodeLabel: boolean;
  /** Whether Events tell of changes of leadership. */
  readonly events: boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'json' | 'text';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** One of a VIP's addresses as it is configured: itself, or the DNS name that has it. */
export type VipAddress = Cidr | { readonly name: string };

export interface VipSettings {
  readonly name: string;
  /** Those that are written as addresses; those that the names have join them when they are known. */
  readonly addresses: readonly Cidr[];
  readonly dns: DnsSettings;
  /** `undefined`: the interface whose subnet holds the address, else the default route's. */
  readonly interface: InterfaceSelector | undefined;
  readonly election: ElectionSettings;
  readonly announce: { readonly burst: number; readonly interval: Millis };
  /** Whole seconds; `off` leaves the address for ever. */
  readonly deadManSwitch: Millis | 'off';
  readonly loadBalancer: LoadBalancerSettings;
}

/** Which of the addresses of a name count. */
export type DnsMode = 'first' | 'ipv4' | 'ipv6' | 'dual';

export interface DnsSettings {
  /** The DNS names among a VIP's addresses; empty: none. */
  readonly names: readonly string[];
  readonly mode: DnsMode;
  /** From one look-up to the next. */
  readonly interval: Millis;
}

/** The name of an interface, or what it must match. */
export type InterfaceSelector = string | RegExp;

export interface ElectionSettings {
  readonly type: 'lease' | 'vrrp' | 'none';
  readonly lease: LeaseSettings;
  readonly vrrp: VrrpSettings;
  readonly onApiLoss: 'hold' | 'release';
}

export interface VrrpSettings {
  readonly version: 2 | 3;
  readonly virtualRouterId: number;
  readonly priority: number;
  /** Version 2: whole seconds; version 3: whole hundredths. */
  readonly advertInterval: Millis;
  readonly preempt: boolean;
  readonly preemptDelay: Millis;
  /** Empty: none. */
  readonly authPass: string;
  /** `undefined`: the interface's first. */
  readonly unicastSource: Ip | undefined;
  /** Empty: multicast. */
  readonly unicastPeers: readonly Ip[];
  readonly checksum: 'keepalived' | 'rfc9568';
  /** What the priority falls by while no backend is up; 0: nothing. */
  readonly trackWeight: number;
  readonly track: {
    readonly interfaces: readonly TrackedInterfaceSettings[];
    readonly scripts: readonly ScriptSettings[];
  };
  readonly notify: NotifySettings;
}

export interface TrackedInterfaceSettings {
  readonly name: string;
  /** 0: without it this router does not take part. */
  readonly weight: number;
  readonly reverse: boolean;
}

export interface ScriptSettings {
  readonly name: string;
  readonly command: Command;
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly rise: number;
  readonly fall: number;
  /** As that of an interface. */
  readonly weight: number;
  readonly reverse: boolean;
}

/** A program and its arguments; the program is an absolute path, or a name to be looked for. */
export type Command = readonly string[];

/** Programs that are run when this router becomes what they are called; `all` gets keepalived's four arguments. */
export interface NotifySettings {
  readonly master: Command | undefined;
  readonly backup: Command | undefined;
  readonly fault: Command | undefined;
  readonly stop: Command | undefined;
  readonly all: Command | undefined;
}

export interface LeaseSettings {
  readonly namespace: string;
  readonly name: string;
  /** Whole seconds. */
  readonly duration: Millis;
  readonly renewDeadline: Millis;
  readonly retryPeriod: Millis;
  /** Written into the Lease beside what is there. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface LoadBalancerSettings {
  readonly mode: 'auto' | 'ipvs' | 'nftables' | 'proxy' | 'off';
  readonly ports: readonly number[];
  readonly scheduler: 'roundrobin' | 'leastconn';
  /** Whether a backend has another weight than 1. */
  readonly weighted: boolean;
  readonly backends: BackendSettings;
  readonly healthCheck: HealthCheckSettings;
  readonly connectTimeout: Millis;
  readonly proxyProtocol: 'off' | 'v2';
  readonly whenBackendDown: 'close' | 'keep';
}

export type BackendSettings =
  | { readonly from: 'nodes'; readonly port: number }
  | { readonly from: 'static'; readonly servers: readonly ServerSettings[] };

export interface ServerSettings {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number;
  readonly weight: number;
}

export type HealthCheckSettings = HealthCheckTimes & ({ readonly type: 'tcp' } | HttpsCheckSettings);

interface HealthCheckTimes {
  readonly interval: Millis;
  readonly fastInterval: Millis;
  readonly timeout: Millis;
  readonly fall: number;
  readonly rise: number;
}

interface HttpsCheckSettings {
  readonly type: 'https';
  readonly path: string;
  /** `undefined`: the address of each backend. */
  readonly serverName: string | undefined;
  readonly aliveStatuses: readonly number[];
  /** A file; `undefined`: the CA of the kubeconfig's cluster. */
  readonly ca: string | undefined;
  readonly insecure: boolean;
}
