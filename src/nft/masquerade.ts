import type { MasqueradedService } from '../kernel/ports.js';
import { endpoint } from '../net/ip.js';
import { beforeSourceNat, type Hook, type Rule, type Table } from './table.js';

/**
 * Source NAT for connections whose client wanted to go to one of these services, whatever their destination has become: IPVS forwards
 * packets past destination NAT's hooks, so that nothing but the connection's original tuple still knows the VIP. New connections
 * to those that refuse are reset before IPVS sees them, which is just before source NAT for those of others, and just after
 * destination NAT for those of this host.
 */
export function masqueradeTable(services: readonly MasqueradedService[]): Table {
  const refusing = services.filter(({ refuses }) => refuses);
  return {
    counters: [],
    chains: [
      chain({ type: 'nat', at: 'postrouting', priority: beforeSourceNat }, services.map(masquerade)),
      chain({ type: 'filter', at: 'input', priority: beforeIpvs }, refusing.map(reset)),
      chain({ type: 'filter', at: 'output', priority: beforeIpvs }, refusing.map(reset)),
    ],
  };
}

/** NF_IP_PRI_MANGLE: before hosts' firewalls too, so that a client is refused rather than left waiting. */
const beforeIpvs = -150;

function chain(hook: Hook, rules: readonly Rule[]) {
  return { name: hook.at, hook, rules };
}

function masquerade({ ip, port }: MasqueradedService): Rule {
  const subject = `masquerade ${endpoint(ip, port)}`;
  return { subject, statements: [{ kind: 'originally-to', ip, port }, { kind: 'masquerade' }] };
}

/** While another node has the VIP, this node's connections to it go there untouched. */
function reset({ ip, port }: MasqueradedService): Rule {
  return {
    subject: `reset ${endpoint(ip, port)}`,
    statements: [{ kind: 'to', ip, port }, { kind: 'syn' }, { kind: 'to-this-host' }, { kind: 'reset' }],
  };
}
