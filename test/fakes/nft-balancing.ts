import { KernelError } from '../../src/kernel/errors.js';
import type { BalancedService, NftBalancing } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';
import { balancingStats, balancingTable, takers } from '../../src/nft/balancing.js';
import type { Count } from '../../src/nft/table.js';
import { turnsOf } from '../../src/nft/turns.js';

/** Balancing in memory: who would get a connection, and the counters. */
export interface FakeNftBalancing extends NftBalancing {
  /** What the table holds; undefined when there is none. */
  readonly services: readonly BalancedService[] | undefined;
  /** While set, every `set` is refused with this code and changes nothing. */
  refusal: string | undefined;
  /** A client connects: the name of its backend, or `refused`. */
  connect(ip: Ip, port: number): string;
}

export function createFakeNftBalancing(): FakeNftBalancing {
  let services: readonly BalancedService[] | undefined;
  let counts = new Map<string, Count>();
  const given = new Map<string, number>();
  const balancing: FakeNftBalancing = {
    refusal: undefined,
    get services() {
      return services;
    },
    connect(ip, port) {
      const service = services?.find((s) => s.ip === ip && s.port === port);
      const active = service === undefined ? [] : turnsOf(takers(service));
      const key = `${ip} ${port}`;
      const backend = active[(given.get(key) ?? 0) % active.length];
      if (service === undefined || backend === undefined) return 'refused';
      given.set(key, (given.get(key) ?? 0) + 1);
      const [counter = ''] = balancingTable([{ ...service, backends: [backend] }], 0).counters;
      counts.set(counter, { packets: (counts.get(counter)?.packets ?? 0n) + 1n, bytes: 60n });
      return backend.name;
    },
    async set(wanted) {
      if (balancing.refusal !== undefined) throw new KernelError('set nftables balancing', balancing.refusal);
      services = wanted.length === 0 ? undefined : wanted;
      const counters = new Set(balancingTable(wanted, 0).counters);
      counts = new Map([...counts].filter(([counter]) => counters.has(counter)));
    },
    async stats() {
      return balancingStats(services ?? [], counts);
    },
  };
  return balancing;
}
