import { masqueradeTable } from '../../nft/masquerade.js';
import type { Log } from '../../telemetry/log.js';
import type { Clock } from '../../time/clock.js';
import type { Masquerade } from '../ports.js';
import { createIptablesMasquerade } from './iptables-masquerade.js';
import { createIptablesProgram } from './iptables-program.js';
import { chooseMasquerade } from './masquerade-choice.js';
import { createNftTable } from './nft-table.js';

/** Masquerading by an nftables table of this process, `vipd-ipvs`. */
export function createMasquerade(clock: Clock): Masquerade {
  const table = createNftTable('vipd-ipvs', 'set nftables masquerade', clock);
  return { set: (services) => table.set(services.length === 0 ? undefined : masqueradeTable(services)) };
}

/** Masquerading by what this host can: nftables, which needs no program and ends with the process, else iptables. */
export function createHostMasquerade(clock: Clock, log: Log): Masquerade {
  const byIptables = (['iptables-legacy', 'iptables'] as const).map((name) => ({
    name,
    masquerade: createIptablesMasquerade(createIptablesProgram(name)),
  }));
  return chooseMasquerade([{ name: 'nftables', masquerade: createMasquerade(clock) }, ...byIptables], log);
}
