import { redirectTable } from '../../nft/redirects.js';
import type { Clock } from '../../time/clock.js';
import type { Generation, Redirects } from '../ports.js';
import { createNftTable, tableName } from './nft-table.js';

/**
 * VIP:port redirected by an nftables table of this process.
 *
 * Open connections outlive a change as long as a redirect of their address family is left: with the last one the kernel may stop
 * tracking connections, and then nothing translates their packets any more.
 */
export function createRedirects(clock: Clock, generation: Generation = 0): Redirects {
  const table = createNftTable(tableName('vipd', generation), 'set nftables redirects', clock);
  return { set: (redirects) => table.set(redirects.length === 0 ? undefined : redirectTable(redirects)) };
}
