import { balancingStats, balancingTable } from '../../nft/balancing.js';
import type { Clock } from '../../time/clock.js';
import type { BalancedService, Generation, NftBalancing } from '../ports.js';
import { createNftTable, tableName } from './nft-table.js';

/** Balancing by the table `inet vipd-balancing` (or `vipd-balancing-1`, …) of this process. */
export function createNftBalancing(clock: Clock, generation: Generation = 0): NftBalancing {
  const table = createNftTable(tableName('vipd-balancing', generation), 'set nftables balancing', clock);
  let services: readonly BalancedService[] = [];
  let turn = 0;
  return {
    async set(wanted) {
      await table.set(wanted.length === 0 ? undefined : balancingTable(wanted, turn++));
      services = wanted;
    },
    async stats() {
      return balancingStats(services, await table.counters());
    },
  };
}
