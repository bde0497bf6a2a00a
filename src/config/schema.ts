import {
  apiServer,
  hostName,
  listenAddress,
  plainAddresses,
  plainAddressOrNone,
  servers,
  vipAddresses,
} from './address-kinds.js';
import { annotations } from './annotations-kind.js';
import type { Kind } from './kinds.js';
import * as kinds from './kinds.js';
import { command, scripts, trackedInterfaces } from './tracking-kinds.js';

/** One setting: the file's key is its place in the table below, the environment's name follows from the flag. */
export interface Setting<T> {
  readonly kind: Kind<T>;
  /** Without the dashes. */
  readonly flag: string;
  /** One sentence or two for the documentation and `--help`. */
  readonly doc: string;
  /** As the file would write it; undefined when there is none, or it is worked out. */
  readonly default: unknown;
  /** Where a default is worked out: how. */
  readonly defaultWords: string | undefined;
  /** What to say when it is not set and must be. */
  readonly missing: string | undefined;
  /** Its value is told to nobody but by `config print`. */
  readonly isSecret?: true;
}

/** Keys under a whole file. */
export const globalSettings = {
  'node.name': optional(
    kinds.dnsSubdomain,
    'node-name',
    'the host name in lower case',
    'The name of this node, as Kubernetes knows it: the holder of the Lease.',
  ),
  'kubernetes.kubeconfig': optional(
    kinds.filePath,
    'kubeconfig',
    "/etc/kubernetes/admin.conf if it exists, else the pod's service account",
    'How to reach the Kubernetes API.',
  ),
  'kubernetes.server': optional(
    apiServer,
    'kubernetes-server',
    'the one that the kubeconfig names',
    "The API server that is asked instead of the kubeconfig's, which then only says who asks. Without it this node's own API server is asked first where the backends are nodes, and where the kubeconfig names the VIP.",
  ),
  'kubernetes.nodeLabel': setting(
    kinds.boolean,
    'node-label',
    false,
    'Whether the node that has a VIP is labelled with its first address: `vip.vipd/NAME` for each VIP, and `kube-vip.io/has-ip` for the first of them. It takes the right to patch nodes.',
  ),
  'kubernetes.events': setting(
    kinds.boolean,
    'kubernetes-events',
    true,
    'Whether a Kubernetes Event about the Lease tells when this node takes a VIP or gives it up, and why. It takes the right to create events in the namespace of the Lease; without it nothing else is missing.',
  ),
  'metrics.listen': setting(
    listenAddress,
    'metrics-listen',
    ':2112',
    'Where /metrics, /livez, /readyz and the status page are served.',
  ),
  'health.listen': setting(
    listenAddress,
    'health-listen',
    'off',
    'Where /healthz, /livez and /readyz are served too, without metrics: for probes that have a port of their own.',
  ),
  'proxy.threads': optional(
    kinds.count(1, 64),
    'proxy-threads',
    'one for each processor, at most 4',
    'The threads of the proxy, which all VIPs share. They wait without cost while there is nothing to relay.',
  ),
  'admin.socket': setting(
    kinds.socketPath,
    'admin-socket',
    '/run/vipd/vipd.sock',
    'The Unix socket over which `vipd status` and the other commands reach the daemon (mode 0660).',
  ),
  'log.level': setting(
    kinds.choice(['debug', 'info', 'warn', 'error']),
    'log-level',
    'info',
    'The least important lines that are written.',
  ),
  'log.format': setting(
    kinds.choice(['json', 'text']),
    'log-format',
    'json',
    'One JSON object a line for machines, or one line of text for people.',
  ),
} as const;

/** Keys under each of `vips[]`. */
export const vipSettings = {
  name: optional(
    kinds.dnsLabel,
    'vip-name',
    'api for the first, none for others',
    'The name of the VIP in logs, metrics and commands.',
    'the VIP has no name; give it one',
  ),
  addresses: optional(
    vipAddresses,
    'address',
    'none: at least one is needed',
    'The virtual addresses, which move together; without a prefix /32 or /128. A DNS name stands for the address that it has, and the VIP follows it.',
    'no address is given; name the virtual IP, such as 192.168.1.100',
  ),
  dnsMode: setting(
    kinds.choice(['first', 'ipv4', 'ipv6', 'dual']),
    'dns-mode',
    'first',
    'Which addresses of a DNS name count: the IPv4 one or, if it has none, the IPv6 one (`first`); only that of one family; or one of each (`dual`). Of several of a family the lowest counts, so that all nodes agree.',
  ),
  dnsInterval: setting(
    kinds.duration({ min: '1s' }),
    'dns-interval',
    '30s',
    'From one look-up of a DNS name to the next. Another answer counts when the next look-up, after 5s at most, gives it again; no answer changes nothing.',
  ),
  interface: optional(
    kinds.interfaceSelector,
    'interface',
    "the interface whose subnet holds the address, else the default route's",
    'The interface that gets the addresses: its name, or a regular expression between slashes, `/^en/`. Of several that match, it is the one whose subnet holds the address, else the only one that is up. While there is none, the VIP waits for it.',
  ),
  'election.type': setting(
    kinds.choice(['lease', 'vrrp', 'none']),
    'election',
    'lease',
    'Who decides which node has the VIP: a Kubernetes Lease, the routers among themselves by VRRP, or nobody (this node always has it).',
  ),
  'election.lease.namespace': setting(kinds.dnsLabel, 'lease-namespace', 'kube-system', 'The namespace of the Lease.'),
  'election.lease.name': setting(
    kinds.dnsSubdomain,
    'lease-name',
    'plndr-cp-lock',
    'The name of the Lease; each VIP has its own.',
  ),
  'election.lease.duration': setting(
    kinds.duration({ min: '1s', wholeSeconds: true }),
    'lease-duration',
    '5s',
    'How long the others wait after the last renewal they saw before they take the Lease.',
  ),
  'election.lease.renewDeadline': setting(
    kinds.duration({ min: '100ms' }),
    'lease-renew-deadline',
    '3s',
    'How long one request to the API may take; less than the duration.',
  ),
  'election.lease.retryPeriod': setting(
    kinds.duration({ min: '100ms' }),
    'lease-retry-period',
    '1s',
    'The pause between two attempts to take or renew the Lease; 1.2 times this is less than the renew deadline.',
  ),
  'election.lease.annotations': optional(
    annotations,
    'lease-annotations',
    'none',
    'Annotations that the Lease gets whenever this node writes it; what others wrote there stays, and so does one that is taken out here.',
  ),
  'election.vrrp.version': setting(
    kinds.count(2, 3),
    'vrrp-version',
    3,
    'The version of VRRP: 2 (RFC 3768; IPv6 addresses move along with the IPv4 ones) or 3 (RFC 9568). All routers of a VIP speak the same.',
  ),
  'election.vrrp.virtualRouterId': setting(
    kinds.count(1, 255),
    'vrrp-virtual-router-id',
    51,
    'The number of the virtual router: the same on all routers of a VIP, another for each other VIP on the LAN.',
  ),
  'election.vrrp.priority': setting(
    kinds.count(1, 255),
    'vrrp-priority',
    100,
    'The router with the highest leads; of equal ones the one that leads already, else the one with the higher address. 255 leads as soon as it starts.',
  ),
  'election.vrrp.advertInterval': setting(
    kinds.duration({ min: '10ms' }),
    'vrrp-advert-interval',
    '1s',
    'From one advertisement to the next: in version 3 hundredths of a second up to 40.95s, in version 2 whole seconds. A master that is silent for three of them and a little is taken for dead.',
  ),
  'election.vrrp.preempt': setting(
    kinds.boolean,
    'vrrp-preempt',
    true,
    'Whether this router takes the VIP from one of lower priority that has it.',
  ),
  'election.vrrp.preemptDelay': setting(
    kinds.duration({ min: '0s' }),
    'vrrp-preempt-delay',
    '0s',
    'How long a router of lower priority is left alone before.',
  ),
  'election.vrrp.authPass': secret(
    setting(
      kinds.password,
      'vrrp-auth-pass',
      '',
      'Version 2 only: the password in every advertisement, in plain text, of which eight bytes count. It tells virtual routers apart that were given one number by mistake, and keeps nobody out. Nothing but `vipd config print` prints it.',
    ),
  ),
  'election.vrrp.unicastSource': optional(
    plainAddressOrNone,
    'vrrp-unicast-source',
    "the interface's first address, in IPv6 its first link-local one",
    'The address of this host that advertisements are sent from.',
  ),
  'election.vrrp.unicastPeers': setting(
    plainAddresses,
    'vrrp-unicast-peers',
    [],
    'The other routers, where the LAN carries no multicast: each gets its own copy, and nobody else is listened to.',
  ),
  'election.vrrp.checksum': setting(
    kinds.choice(['keepalived', 'rfc9568']),
    'vrrp-checksum',
    'keepalived',
    'The checksum of version 3 over IPv4 that is sent: with a pseudo header as keepalived and FRR have it, or without as RFC 9568 and hardware routers do. Both are taken.',
  ),
  'election.vrrp.trackWeight': setting(
    kinds.count(0, 253),
    'vrrp-track-weight',
    60,
    'By how much the priority falls while this node reaches no backend; more than the priorities of the routers differ by, so that one that reaches one takes over. With 0 the priority does not follow the backends. When no router reaches one, the VIP stays where it is.',
  ),
  'election.vrrp.track.interfaces': setting(
    trackedInterfaces,
    'vrrp-track-interfaces',
    [],
    'Other interfaces that this router depends on. With weight 0 (the default) it takes no part in the election while one of them is down; a positive weight is added to the priority while it is up, a negative one while it is down; `reverse: true` turns the sign round.',
  ),
  'election.vrrp.track.scripts': setting(
    scripts,
    'vrrp-track-scripts',
    [],
    'Programs that say whether this router is fit, by exit status 0, run every `interval` (1s), each for at most `timeout` (the interval). `fall` (1) failures in a row make it unfit, `rise` (1) successes fit again. Weights as those of interfaces. They run without a shell, with the rights of vipd.',
  ),
  'election.vrrp.notify.master': optional(
    command,
    'vrrp-notify-master',
    'none',
    'The program to run when this node has taken the VIP and serves it. As all notify programs it runs without a shell, with the rights of vipd, after those of earlier changes, for at most 30s.',
  ),
  'election.vrrp.notify.backup': optional(
    command,
    'vrrp-notify-backup',
    'none',
    'The program to run when this router has become a backup, also at start.',
  ),
  'election.vrrp.notify.fault': optional(
    command,
    'vrrp-notify-fault',
    'none',
    'The program to run when this router can take no part in the election any more.',
  ),
  'election.vrrp.notify.stop': optional(
    command,
    'vrrp-notify-stop',
    'none',
    'The program to run when vipd has given the VIP up for good.',
  ),
  'election.vrrp.notify.all': optional(
    command,
    'vrrp-notify-all',
    'none',
    'The program to run at each of these changes, after the one for it, with four arguments more: `INSTANCE`, the name of the VIP, the state (`MASTER`, `BACKUP`, `FAULT`, `STOP`), the priority. keepalived calls it `notify`.',
  ),
  'election.onApiLoss': setting(
    kinds.choice(['hold', 'release']),
    'on-api-loss',
    'hold',
    'When the holder cannot renew: hold the VIP until another claims it, or release it before the Lease expires.',
  ),
  'announce.burst': setting(
    kinds.count(1, 20),
    'announce-burst',
    5,
    'How many announcements follow each other at once when the VIP is taken.',
  ),
  'announce.interval': setting(
    kinds.duration({ min: '100ms' }),
    'announce-interval',
    '3s',
    'The pause between announcements after the burst.',
  ),
  deadManSwitch: setting(
    kinds.durationOrOff({ min: '1s', wholeSeconds: true }),
    'dead-man-switch',
    '3s',
    'When the daemon is killed, stopped or hung, the kernel removes the VIP by itself within this time; `off` leaves it for ever.',
  ),
  'loadBalancer.mode': setting(
    kinds.choice(['auto', 'ipvs', 'nftables', 'proxy', 'off']),
    'load-balancer',
    'auto',
    'What carries connections from the VIP to the backends: the kernel (`ipvs`, `nftables`), or the relay in the daemon (`proxy`). `auto` is `ipvs` where the kernel has it, else `proxy`; with `off` the node itself answers.',
  ),
  'loadBalancer.ports': setting(kinds.ports, 'ports', [6443], 'The TCP ports of the VIP that are balanced.'),
  'loadBalancer.scheduler': setting(
    kinds.choice(['roundrobin', 'leastconn']),
    'scheduler',
    'roundrobin',
    'Which backend gets the next connection: each in turn, or the one with the fewest open connections (not with `nftables`), both by the weights of the servers.',
  ),
  'loadBalancer.backends.from': setting(
    kinds.choice(['nodes', 'static']),
    'backends-from',
    'nodes',
    'The backends are the control-plane nodes of the cluster, watched, or a fixed list.',
  ),
  'loadBalancer.backends.port': optional(
    kinds.port,
    'backends-port',
    'the first of loadBalancer.ports',
    'The port of the backends when they come from nodes.',
  ),
  'loadBalancer.backends.servers': optional(
    servers,
    'backends',
    'none',
    'The backends when they are static. `weight` (1, at most 256) is the part of the connections that a backend gets beside the others: one of weight 3 gets three times as many as one of weight 1. From nodes all have 1.',
  ),
  'loadBalancer.healthCheck.type': optional(
    kinds.choice(['tcp', 'https']),
    'health-check',
    '`https` when the backends come from nodes, `tcp` when they are static',
    'What a backend must do to be up: accept a TCP connection, or answer GET `path` over TLS. Nodes have API servers; what is static can be any TCP server.',
  ),
  'loadBalancer.healthCheck.path': optional(
    kinds.httpPath,
    'health-check-path',
    '`/readyz`',
    'What https checks ask for. kube-apiserver says at /readyz whether it can serve: 500 while it starts, shuts down or has lost etcd.',
  ),
  'loadBalancer.healthCheck.aliveStatuses': optional(
    kinds.statuses,
    'health-check-alive-statuses',
    '`[200, 401]`',
    'The HTTP statuses of a living backend; 200 always is one. 401 is what every path answers on a cluster without anonymous requests (`--anonymous-auth=false`): the server lives, and whether it is ready cannot be seen. 403 is none unless listed, because kube-apiserver answers it for a moment after a restart, before it has read its RBAC rules.',
  ),
  'loadBalancer.healthCheck.ca': optional(
    kinds.filePathOrNone,
    'health-check-ca',
    "the CA of the kubeconfig's cluster",
    "A file of CA certificates (PEM) that https checks verify the backends' certificates with. It is read again when it changes.",
  ),
  'loadBalancer.healthCheck.serverName': optional(
    hostName,
    'health-check-server-name',
    "the backend's address",
    'The name that https checks ask for (SNI, Host) and that certificates must carry, for nodes whose certificates lack their InternalIP: `kubernetes` is in those of kubeadm.',
  ),
  'loadBalancer.healthCheck.insecure': optional(
    kinds.boolean,
    'health-check-insecure',
    '`false`',
    'Whether https checks take any certificate: then whoever answers at the address counts as the backend.',
  ),
  'loadBalancer.healthCheck.interval': setting(
    kinds.duration({ min: '100ms' }),
    'health-check-interval',
    '2s',
    'From the start of one check of a backend to the next; up to a tenth less, by chance, so that checks do not keep in step.',
  ),
  'loadBalancer.healthCheck.fastInterval': optional(
    kinds.duration({ min: '100ms' }),
    'health-check-fast-interval',
    '`500ms`, or the interval if that is shorter',
    'The same in transition: while results contradict the present state, or a backend that is up has not answered yet. A backend that answers nothing is down after `interval` + (`fall` - 1) × `fastInterval` + `timeout` at the latest.',
  ),
  'loadBalancer.healthCheck.timeout': setting(
    kinds.duration({ min: '10ms' }),
    'health-check-timeout',
    '2s',
    'How long a check waits for the answer.',
  ),
  'loadBalancer.healthCheck.fall': setting(
    kinds.count(1, 100),
    'health-check-fall',
    3,
    'So many failed checks in a row make a backend down.',
  ),
  'loadBalancer.healthCheck.rise': setting(
    kinds.count(1, 100),
    'health-check-rise',
    2,
    'So many good checks in a row make a backend up.',
  ),
  'loadBalancer.connectTimeout': setting(
    kinds.duration({ min: '10ms' }),
    'connect-timeout',
    '1s',
    'How long a connection waits for a backend to accept before the next backend is tried, by the proxy; the kernel leaves that to health checks.',
  ),
  'loadBalancer.proxyProtocol': setting(
    kinds.choice(['off', 'v2']),
    'proxy-protocol',
    'off',
    'Whether the proxy tells backends who the client is, by a header of the PROXY protocol before the data: only for backends that expect it. kube-apiserver does not understand it.',
  ),
  'loadBalancer.whenBackendDown': setting(
    kinds.choice(['close', 'keep']),
    'when-backend-down',
    'close',
    'What happens to the open connections of a backend that goes down: reset at once, or left alone. Those of one that leaves the list go on as long as it is up.',
  ),
} as const;

export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;
/** The values of a table's settings, by path. */
export type ValuesOf<Table> = { readonly [Path in keyof Table]: Table[Path] extends Setting<infer T> ? T : never };

export const configFlag = 'config';

/** `lease-duration` → `VIPD_LEASE_DURATION`. */
export function environmentName(flag: string): string {
  return `VIPD_${flag.replaceAll('-', '_').toUpperCase()}`;
}

function setting<T>(kind: Kind<T>, flag: string, value: unknown, doc: string): Setting<T> {
  return { kind, flag, doc, default: value, defaultWords: undefined, missing: undefined };
}

function optional<T>(
  kind: Kind<T>,
  flag: string,
  defaultWords: string,
  doc: string,
  missing?: string,
): Setting<T | undefined> {
  return { kind, flag, doc, default: undefined, defaultWords, missing };
}

function secret<T>(plain: Setting<T>): Setting<T> {
  return { ...plain, isSecret: true };
}
