import type { BalancedBackend, BalancedBackendStats, BalancedService } from '../kernel/ports.js';
import { endpoint, familyOf, type Ip } from '../net/ip.js';
import {
  beforeDestinationNat,
  beforeSourceNat,
  type Chain,
  type Count,
  type Endpoint,
  type EndpointCounter,
  type Hook,
  type Rule,
  type Statement,
  type Table,
} from './table.js';
import { turnsOf } from './turns.js';

/**
 * The table that balances. The path of a connection: `prerouting` (other hosts, this host's containers) or `output` (this host's
 * own processes) sends the first segment to the service's chain, where it is counted and gets the next backend for a destination;
 * connection tracking does the same to all that follows. `postrouting` makes this host its source, so that the answers
 * come back this way wherever the client is. Whatever arrives at VIP:port itself has no backend: it is reset.
 * @param turn a number that grows with every table: the round begins at another backend each time, however often tables change
 */
export function balancingTable(services: readonly BalancedService[], turn: number): Table {
  const used = services.map((service) => ({ ...service, backends: reachable(service) }));
  return {
    counters: used.flatMap((service) => service.backends.flatMap((b) => Object.values(counterNames(service, b)))),
    chains: [
      ...used.flatMap((service) => serviceChain(service, turn)),
      hooked('prerouting', 'nat', beforeDestinationNat, used.flatMap(distribute)),
      hooked('output', 'nat', beforeDestinationNat, used.flatMap(distribute)),
      hooked('postrouting', 'nat', beforeSourceNat, used.map(masquerade)),
      hooked('input', 'filter', beforeFirewalls, used.map(reset)),
      hooked('output', 'filter', beforeTracking, used.map(leaveUntracked), 'untracked'),
      { name: 'count', rules: used.flatMap(countBytes) },
      // Each packet of a connection once: what this host sends to itself passes both hooks.
      hooked('prerouting', 'filter', afterNat, [jumpToCount([{ kind: 'not-loopback', interface: 'in' }])], 'count-in'),
      hooked('output', 'filter', afterNat, [jumpToCount([])], 'count-out'),
    ],
  };
}

/** What the counters of the table say, backend by backend. Counters that are missing count nothing. */
export function balancingStats(
  services: readonly BalancedService[],
  counts: ReadonlyMap<string, Count>,
): readonly BalancedBackendStats[] {
  return services.flatMap((service) =>
    reachable(service).map((backend) => {
      const names = counterNames(service, backend);
      return {
        service: { ip: service.ip, port: service.port },
        name: backend.name,
        ip: backend.ip,
        port: backend.port,
        total: Number(counts.get(names.connections)?.packets ?? 0n),
        bytesFromClient: counts.get(names.fromClient)?.bytes ?? 0n,
        bytesToClient: counts.get(names.toClient)?.bytes ?? 0n,
      };
    }),
  );
}

/** NF_IP_PRI_MANGLE: before the hosts' firewalls, so that a client is refused rather than left waiting. */
const beforeFirewalls = -150;
/** NF_IP_PRI_RAW: before connection tracking. */
const beforeTracking = -300;
/** Between destination NAT and the filters. */
const afterNat = -50;

function hooked(
  at: Hook['at'],
  type: Hook['type'],
  priority: number,
  rules: readonly Rule[],
  name: string = at,
): Chain {
  return { name, hook: { type, at, priority }, rules };
}

/** The backends that get new connections. */
export function takers(service: BalancedService): readonly BalancedBackend[] {
  return reachable(service).filter(({ draining }) => !draining);
}

/** NAT does not cross address families. Of several backends at one address the first one counts. */
function reachable({ ip, backends }: BalancedService): readonly BalancedBackend[] {
  return backends.filter(
    (backend, index) =>
      familyOf(backend.ip) === familyOf(ip) &&
      backends.findIndex((other) => other.ip === backend.ip && other.port === backend.port) === index,
  );
}

/**
 * The first rule takes every third connection, the next every second of the others, the last what is left: exactly in turns. A
 * backend has as many rules as it has turns in a round.
 * Not by a map from numbers to backends: while a transaction replaces it, a packet may find the old map's elements gone.
 */
function serviceChain(service: BalancedService, turn: number): readonly Chain[] {
  const round = turnsOf(takers(service));
  if (round.length === 0) return [];
  const start = turn % round.length;
  const order = [...round.slice(start), ...round.slice(0, start)];
  return [
    {
      name: serviceChainName(service),
      rules: order.map((backend, index) => ({
        subject: `backend ${name(backend)} of ${name(service)}`,
        statements: [
          ...everyOf(order.length - index),
          { kind: 'count', counter: counterNames(service, backend).connections },
          { kind: 'dnat', family: familyOf(backend.ip), ip: backend.ip, port: backend.port },
        ],
      })),
    },
  ];
}

function everyOf(of: number): readonly Statement[] {
  return of === 1 ? [] : [{ kind: 'every', of }];
}

/**
 * Only a connection's first segment: one that begins elsewhere (with the VIP's former holder, or whose state was deleted here) is
 * to be reset, not to be given to a backend that knows nothing of it.
 */
function distribute(service: BalancedService): readonly Rule[] {
  if (takers(service).length === 0) return [];
  const { ip, port } = service;
  return [
    {
      subject: `service ${name(service)}`,
      statements: [
        { kind: 'to', ip, port },
        { kind: 'syn' },
        { kind: 'to-this-host' },
        { kind: 'goto', chain: serviceChainName(service) },
      ],
    },
  ];
}

/** Not towards a backend on this host: it answers here in any case, and sees the client's own address. */
function masquerade({ ip, port }: BalancedService): Rule {
  return {
    subject: `masquerade ${endpoint(ip, port)}`,
    statements: [
      { kind: 'translated' },
      { kind: 'originally-to', ip, port },
      { kind: 'not-loopback', interface: 'out' },
      { kind: 'masquerade' },
    ],
  };
}

function reset({ ip, port }: BalancedService): Rule {
  return { subject: `reset ${endpoint(ip, port)}`, statements: [{ kind: 'to', ip, port }, { kind: 'reset' }] };
}

/** What is sent in the VIP's name outside of any connection (see flow-reset.ts) leaves no connection behind. */
function leaveUntracked({ ip, port }: BalancedService): Rule {
  return { subject: `untracked ${endpoint(ip, port)}`, statements: [{ kind: 'from', ip, port }, { kind: 'notrack' }] };
}

function jumpToCount(statements: readonly Statement[]): Rule {
  return { subject: 'count', statements: [...statements, { kind: 'translated' }, { kind: 'jump', chain: 'count' }] };
}

function countBytes(service: BalancedService): readonly Rule[] {
  const { ip, port, backends } = service;
  if (backends.length === 0) return [];
  const rule = (is: 'original' | 'reply', end: 'to' | 'from', counters: readonly EndpointCounter[]): Rule => ({
    subject: `count ${name(service)}`,
    statements: [
      { kind: 'direction', is },
      { kind: 'originally-to', ip, port },
      { kind: 'count-by', end, family: familyOf(ip), counters },
    ],
  });
  const counters = (which: 'fromClient' | 'toClient') =>
    backends.map((b) => ({ ip: b.ip, port: b.port, counter: counterNames(service, b)[which] }));
  return [rule('original', 'to', counters('fromClient')), rule('reply', 'from', counters('toClient'))];
}

function counterNames(service: Endpoint, backend: Endpoint) {
  const suffix = `${nameOf(service)}-${nameOf(backend)}`;
  return {
    connections: `connections-${suffix}`,
    fromClient: `from-client-${suffix}`,
    toClient: `to-client-${suffix}`,
  } as const;
}

function serviceChainName(service: Endpoint): string {
  return `service-${nameOf(service)}`;
}

function name({ ip, port }: Endpoint): string {
  return endpoint(ip, port);
}

/** The nft program takes no colons in names. */
function nameOf({ ip, port }: { readonly ip: Ip; readonly port: number }): string {
  return `${ip.replaceAll(':', '.')}-${port}`;
}
