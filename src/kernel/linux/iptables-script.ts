import { endpoint, type Family, familyOf } from '../../net/ip.js';
import type { MasqueradedService } from '../ports.js';

// What IPVS needs of netfilter (see nft/masquerade.ts), as iptables rules, and the text that brings them into the kernel: input of
// iptables-restore(8), made of what iptables-save(8) has said.

type TableName = 'nat' | 'filter';

/** A chain of our own and the one that leads to it: nobody else's rules are in it, and no rule of ours is elsewhere. */
interface Chain {
  readonly table: TableName;
  readonly name: string;
  readonly from: 'INPUT' | 'OUTPUT' | 'POSTROUTING';
  readonly rules: (service: MasqueradedService) => readonly string[];
}

/**
 * IPVS takes packets of others at the end of INPUT, after table filter, but those of this host in OUTPUT just after destination NAT
 * (ip_vs_core.c: NF_IP_PRI_NAT_DST + 2), before table filter, and nothing but that table may reject. So this host's new connections get
 * another destination port, where IPVS has no service, and are reset there; the reset comes from the port that they went to.
 */
const chains: readonly Chain[] = [
  {
    table: 'filter',
    name: 'VIPD-INPUT',
    from: 'INPUT',
    rules: (service) => (service.refuses ? [`${newTo(service)} ${reset}`] : []),
  },
  {
    table: 'filter',
    name: 'VIPD-OUTPUT',
    from: 'OUTPUT',
    rules: ({ ip, port, refuses }) =>
      refuses ? [`${newTo({ ip, port: aside })} -m conntrack --ctorigdst ${ip} --ctorigdstport ${port} ${reset}`] : [],
  },
  {
    table: 'nat',
    name: 'VIPD-OUTPUT',
    from: 'OUTPUT',
    rules: (service) =>
      service.refuses
        ? [`${newTo(service)} -m addrtype --dst-type LOCAL -j DNAT --to-destination ${endpoint(service.ip, aside)}`]
        : [],
  },
  {
    table: 'nat',
    name: 'VIPD-POSTROUTING',
    from: 'POSTROUTING',
    // xt_ipvs.c: the match is on IPVS's own entry of the connection, with the address and port that the client went to.
    rules: ({ ip, port }) => [`-p tcp -m ipvs --vproto 6 --vaddr ${ip} --vport ${port} -j MASQUERADE`],
  },
];

/** The service "discard" (RFC 863). No packet arrives there. */
const aside = 9;
const reset = '-j REJECT --reject-with tcp-reset';

function newTo({ ip, port }: Pick<MasqueradedService, 'ip' | 'port'>): string {
  return `-d ${ip} -p tcp -m tcp --dport ${port} --syn`;
}

/**
 * Input of `iptables-restore --noflush` that makes our chains hold the rules of exactly these services, with jumps to them before all
 * other rules; a chain without rules goes, with the jumps to it. Each table is changed as a whole. Undefined: nothing to do.
 * @param services those of other address families are left out
 * @param saved what `iptables-save` says of the family
 */
export function masqueradeScript(
  services: readonly MasqueradedService[],
  family: Family,
  saved: string,
): string | undefined {
  const mine = services.filter(({ ip }) => familyOf(ip) === family);
  const script = (['filter', 'nat'] as const).flatMap((table) => tableScript(table, mine, savedTable(saved, table)));
  return script.length === 0 ? undefined : `${script.join('\n')}\n`;
}

function tableScript(
  table: TableName,
  services: readonly MasqueradedService[],
  saved: readonly string[],
): readonly string[] {
  const [declarations, removals, insertions]: [string[], string[], string[]] = [[], [], []];
  for (const { name, from, rules } of chains.filter((chain) => chain.table === table)) {
    const wanted = services.flatMap(rules);
    const isThere = saved.some((line) => line.startsWith(`:${name} `));
    if (wanted.length === 0 && !isThere) continue;
    // Declared, it is made if it is not there and emptied if it is.
    declarations.push(`:${name} - [0:0]`);
    removals.push(...saved.filter((line) => leadsTo(line, name)).map((line) => line.replace(/^-A/, '-D')));
    if (wanted.length === 0) removals.push(`-X ${name}`);
    else insertions.push(...wanted.map((rule) => `-A ${name} ${rule}`), `-I ${from} 1 -j ${name}`);
  }
  if (declarations.length === 0) return [];
  return [`*${table}`, ...declarations, ...removals, ...insertions, 'COMMIT'];
}

/** A rule from elsewhere into the chain, whoever made it: the kernel removes no chain that one leads to. */
function leadsTo(line: string, chain: string): boolean {
  return line.startsWith('-A ') && new RegExp(` -[jg] ${chain}$`).test(line);
}

function savedTable(saved: string, table: TableName): readonly string[] {
  const lines = saved.split('\n').map((line) => line.trimEnd());
  const start = lines.indexOf(`*${table}`);
  return start < 0 ? [] : lines.slice(start, lines.indexOf('COMMIT', start));
}
