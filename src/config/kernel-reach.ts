import type { Cidr } from '../net/cidr.js';
import { familyOf, isLoopback } from '../net/ip.js';
import type { ServerSettings } from './settings.js';

/**
 * The first server that the kernel's data planes do not reach, and why: what comes from other hosts does not go to loopback, and
 * NAT does not cross address families. Undefined when there is none.
 */
export function beyondKernel(
  addresses: readonly Cidr[],
  servers: readonly ServerSettings[],
): { readonly server: ServerSettings; readonly because: string } | undefined {
  const families = new Set(addresses.map(({ ip }) => familyOf(ip)));
  for (const server of servers) {
    if (isLoopback(server.ip)) return { server, because: `backend ${server.name} has a loopback address` };
    if (!families.has(familyOf(server.ip))) {
      return { server, because: `backend ${server.name} is of another address family than the VIP` };
    }
  }
  return undefined;
}
