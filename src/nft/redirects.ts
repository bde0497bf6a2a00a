import type { Redirect } from '../kernel/ports.js';
import { endpoint, familyOf } from '../net/ip.js';
import { beforeDestinationNat, type Chain, type Hook, type Table } from './table.js';

/**
 * The table of redirects. NAT without an address leaves the VIP as destination; the `redirect` statement would put the interface's
 * first address there. `to-this-host` ends a rule's effect with the address: while another node has the VIP, this node's
 * connections to it go there untouched.
 */
export function redirectTable(redirects: readonly Redirect[]): Table {
  // Connections from outside and of this host's containers; connections of this host's own processes.
  return { counters: [], chains: [redirectChain('prerouting', redirects), redirectChain('output', redirects)] };
}

function redirectChain(at: Hook['at'], redirects: readonly Redirect[]): Chain {
  return {
    name: at,
    hook: { type: 'nat', at, priority: beforeDestinationNat },
    rules: redirects.map(({ ip, port, toPort }) => ({
      subject: `redirect ${endpoint(ip, port)} in chain ${at}`,
      statements: [
        { kind: 'to', ip, port },
        { kind: 'to-this-host' },
        { kind: 'dnat', family: familyOf(ip), port: toPort },
      ],
    })),
  };
}
