import { type Family, familyOf } from '../../net/ip.js';
import type { Masquerade, MasqueradedService } from '../ports.js';
import type { IptablesProgram } from './iptables-program.js';
import { masqueradeScript } from './iptables-script.js';

/** How often it is tried again when what iptables-save said was no longer so. */
const attempts = 3;

/**
 * Masquerading by iptables rules in chains of our own, for hosts whose nftables cannot. Each table of each family is changed as a whole.
 * The rules outlive the process: `set([])` removes them, whoever left them.
 */
export function createIptablesMasquerade(program: IptablesProgram): Masquerade {
  const used = new Set<Family>();
  let last: Promise<unknown> = Promise.resolve();

  async function setFamily(family: Family, services: readonly MasqueradedService[]): Promise<void> {
    const isWanted = services.some(({ ip }) => familyOf(ip) === family);
    if (isWanted) used.add(family);
    // Where the programs are missing or have no kernel to talk to, nobody has left anything by them.
    else if (!used.has(family) && !(await canSave(family))) return;
    await change(family, services, attempts);
    if (!isWanted) used.delete(family);
  }

  async function change(family: Family, services: readonly MasqueradedService[], left: number): Promise<void> {
    try {
      const script = masqueradeScript(services, family, await program.save(family));
      if (script !== undefined) await program.restore(family, script);
    } catch (error) {
      if (left <= 1) throw error;
      await change(family, services, left - 1);
    }
  }

  async function canSave(family: Family): Promise<boolean> {
    return await program.save(family).then(
      () => true,
      () => false,
    );
  }

  return {
    set(services) {
      const done = last.then(async () => {
        const results = await Promise.allSettled(([4, 6] as const).map((family) => setFamily(family, services)));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      });
      last = done.catch(() => {});
      return done;
    },
  };
}
