import { balancingStats, balancingTable } from '../../nft/balancing.js';
import type { Clock } from '../../time/clock.js';
import type { BalancedService, NftBalancing } from '../ports.js';
import { createNftTable } from './nft-table.js';

/** Balancing by the table `inet vipd-balancing` of this process. */
export function createNftBalancing(clock: Clock): NftBalancing {
  const table = createNftTable('vipd-balancing', 'set nftables balancing', clock);
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
