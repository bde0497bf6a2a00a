import type { HostLocks } from '../ports.js';
import { type Addon, orKernelError } from './addon.js';
import { descriptorOf } from './descriptor.js';

/**
 * As long as a name can be: libuv 1.46 (Node.js 20.20.2) filled a shorter one up with NULs and libuv 1.50 (Debian's Node.js 20.19.2) did not,
 * and earlier versions of vipd, which took it by libuv, have it so (unix(7): every byte of an abstract name counts).
 */
const name = 'vipd'.padEnd(107, '-');

/** By an abstract Unix socket, which belongs to the namespace and goes with the last process that has it open. */
export function createHostLocks(addon: Pick<Addon, 'descriptorClose' | 'hostLock'>): HostLocks {
  return {
    take: () =>
      descriptorOf(
        addon,
        orKernelError('the host', () => addon.hostLock(name)),
      ),
  };
}
