import { type Family, familyOf, type Ip } from '../../net/ip.js';
import type { Log } from '../../telemetry/log.js';
import { HostLacks, KernelError } from '../errors.js';
import type { Masquerade, MasqueradedService } from '../ports.js';

export interface WayToMasquerade {
  readonly name: string;
  readonly masquerade: Masquerade;
}

/** Services on addresses for documentation (RFC 5737, RFC 3849). One that refuses needs every kind of rule there is. */
const samples: Readonly<Record<Family, MasqueradedService>> = {
  4: { ip: '192.0.2.1' as Ip, port: 1, refuses: true },
  6: { ip: '2001:db8::1' as Ip, port: 1, refuses: true },
};

/**
 * The first way that this host's kernel and programs allow, tried with every kind of rule when there are services for the first time.
 * As long as none is chosen, `set([])` removes what an earlier life has left, in whatever way: call it at start.
 */
export function chooseMasquerade(ways: readonly WayToMasquerade[], log: Log): Masquerade {
  let chosen: WayToMasquerade | undefined;

  async function choose(families: readonly Family[]): Promise<WayToMasquerade> {
    const refusals: string[] = [];
    for (const way of ways) {
      try {
        await way.masquerade.set(families.map((family) => samples[family]));
        if (refusals.length > 0) log.info('IPVS is masqueraded', { by: way.name, because: refusals.join('; ') });
        return way;
      } catch (error) {
        if (!isLack(error)) throw error;
        refusals.push(`${way.name}: ${error.message}`);
        await way.masquerade.set([]).catch(() => {});
      }
    }
    throw new HostLacks(
      `neither nftables nor iptables can masquerade (${refusals.join('; ')})`,
      'load the kernel modules nft_chain_nat, nft_masq, nft_ct, ' +
        'nft_fib_inet, nft_reject_inet, or install iptables and load iptable_nat, iptable_filter, xt_ipvs, xt_MASQUERADE, xt_nat, ' +
        'xt_conntrack, xt_addrtype, ipt_REJECT (for IPv6 ip6table_nat, ip6table_filter, ip6t_REJECT)',
    );
  }

  return {
    async set(services) {
      if (services.length > 0) chosen ??= await choose([...new Set(services.map(({ ip }) => familyOf(ip)))]);
      if (chosen !== undefined) return await chosen.masquerade.set(services);
      for (const { masquerade } of ways) await masquerade.set([]);
    },
  };
}

/** Another way would meet the same when a privilege is missing or another living process is in the way. */
function isLack(error: unknown): error is KernelError {
  return error instanceof KernelError && error.code !== 'EPERM';
}
