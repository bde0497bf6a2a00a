import type { Endpoint, IpvsServiceName } from '../kernel/ports.js';
import { endpoint, type Ip } from '../net/ip.js';

/** A packet-filter rule as it was found on this host. */
export type FoundRule =
  | {
      readonly by: 'iptables';
      /** What an operator changes it with: `iptables-legacy`. */
      readonly program: string;
      readonly table: string;
      /** As `iptables-save` says it: `-A CHAIN …`. */
      readonly rule: string;
    }
  | {
      readonly by: 'nftables';
      /** As nft(8) says it: `ip`. */
      readonly family: string;
      readonly table: string;
      readonly chain: string;
      readonly handle: bigint;
      /** The words in it, of its comment and of the matches that iptables-nft put there. */
      readonly words: string;
    };

/** Something that is not ours and would interfere, and the command that removes it. */
export interface Foreign {
  readonly what: string;
  readonly remove: string;
}

/** Packets of its VIP get this mark where kube-vip masquerades with nftables (pkg/vip/address.go, v1.2.3). */
const kubeVipMark = 10042;
/**
 * In the comments of its rules before "kube-vip load balancer IP": `control-plane`, or with iptables the VIP. Those of Services say
 * `namespace/name` there and are left out: kube-vip may go on serving them.
 */
const kubeVipRule = /(?:^|[\s"])(control-plane|[\da-fA-F.:]+) kube-vip load balancer IP/;

/**
 * What kube-vip has left of its control-plane load balancer, which it removes at an orderly end only. IPVS looks for a packet's mark
 * before its address: while its service on the mark is there, marked packets go to its backends, not to ours.
 * @param found the services in IPVS's table, and the rules of the packet filters
 * @param ours the services that are vipd's own by name; others on the same addresses are not
 */
export function kubeVipLeftovers(
  found: { readonly services: readonly IpvsServiceName[]; readonly rules: readonly FoundRule[] },
  ours: readonly Endpoint[],
): readonly Foreign[] {
  const vips = new Set<Ip>(ours.map(({ ip }) => ip));
  const names = new Set(ours.map(({ ip, port }) => endpoint(ip, port)));
  const services = found.services.flatMap((service): readonly Foreign[] => {
    if (service.kind === 'mark') {
      const { mark } = service;
      return mark === kubeVipMark ? [{ what: `IPVS service on mark ${mark}`, remove: `ipvsadm -D -f ${mark}` }] : [];
    }
    const name = endpoint(service.ip, service.port);
    const isForeign = service.protocol === 'tcp' && vips.has(service.ip) && !names.has(name);
    return isForeign ? [{ what: `IPVS service ${name}`, remove: `ipvsadm -D -t ${name}` }] : [];
  });
  return [...services, ...found.rules.flatMap(nameRule)];
}

function nameRule(rule: FoundRule): readonly Foreign[] {
  if (!kubeVipRule.test(rule.by === 'iptables' ? rule.rule : rule.words)) return [];
  const { table } = rule;
  if (rule.by === 'nftables') {
    const place = `${rule.family} ${table} ${rule.chain}`;
    return [{ what: `nftables rule in ${place}`, remove: `nft delete rule ${place} handle ${rule.handle}` }];
  }
  const { program } = rule;
  const chain = rule.rule.split(' ')[1];
  return [
    {
      what: `${program} rule in ${table} ${chain}`,
      remove: `${program} -t ${table} ${rule.rule.replace(/^-A/, '-D')}`,
    },
  ];
}
