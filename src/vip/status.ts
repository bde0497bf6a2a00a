/** What `vipd status --json` prints and the status page shows. Fields are only ever added. */
export interface DaemonStatus {
  readonly node: string;
  readonly version: string;
  readonly vips: readonly VipStatus[];
}

export interface VipStatus {
  readonly name: string;
  /** Empty while none is known of the names. */
  readonly addresses: readonly string[];
  /** The DNS names that they come from. Absent where all are configured as they are. */
  readonly names?: readonly string[];
  /** While the VIP waits for it: what is configured, or `none`. */
  readonly interface: string;
  readonly role: 'leader' | 'follower' | 'fault';
  readonly leader: string | undefined;
  /** RFC 3339: since when this node has had this role. */
  readonly since: string;
  readonly because: string;
  /** What is about to go wrong: another router of this VIP that is not understood. Absent when nothing is. */
  readonly alarm?: string;
  /** Where VRRP elects. */
  readonly vrrp?: VrrpStatus;
  /** The address is on this node's interface. */
  readonly held: boolean;
  readonly loadBalancer: LoadBalancerStatus;
}

export interface VrrpStatus {
  /** keepalived's word; `INIT` while it is becoming one of the others. */
  readonly state: 'INIT' | 'MASTER' | 'BACKUP' | 'FAULT' | 'STOP';
  /** What is advertised. */
  readonly priority: number;
  readonly configuredPriority: number;
  /** What makes the one of the other: `script check: -2`. */
  readonly because: readonly string[];
  /** The router that was last heard as master. */
  readonly master: { readonly address: string; readonly priority: number } | undefined;
}

export interface LoadBalancerStatus {
  readonly mode: 'ipvs' | 'nftables' | 'proxy' | 'off';
  /** Why this mode, in words. */
  readonly because: string;
  /** Why clients of VIP:port do not reach the backends; undefined when they do. */
  readonly trouble: string | undefined;
  readonly ports: readonly number[];
  readonly backends: readonly BackendStatus[];
}

export interface BackendStatus {
  readonly name: string;
  readonly address: string;
  /** Undefined where all backends of the VIP have 1. */
  readonly weight?: number;
  /** `draining`: up, and to get no new connections. */
  readonly state: 'up' | 'down' | 'draining';
  /** An operator wants it to get no new connections, up or not. */
  readonly drained: boolean;
  /** Open connections through this node. */
  readonly connections: number;
  readonly lastCheck: { readonly at: string; readonly result: string } | undefined;
}
