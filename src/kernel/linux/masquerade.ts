import { masqueradeTable } from '../../nft/masquerade.js';
import type { Clock } from '../../time/clock.js';
import type { Masquerade } from '../ports.js';
import { createNftTable } from './nft-table.js';

/** Masquerading by an nftables table of this process, `vipd-ipvs`. */
export function createMasquerade(clock: Clock): Masquerade {
  const table = createNftTable('vipd-ipvs', 'set nftables masquerade', clock);
  return { set: (services) => table.set(services.length === 0 ? undefined : masqueradeTable(services)) };
}
