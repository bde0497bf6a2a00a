import { KernelError } from '../kernel/errors.js';
import type { Descriptor, HostLocks } from '../kernel/ports.js';

/**
 * Makes this process the only vipd of its network namespace, until the lock is disposed, in every process that has a copy of it: two
 * would remove each other's addresses as leftovers. Throws an Error with one sentence.
 */
export function lockHost(locks: HostLocks): Descriptor {
  try {
    return locks.take();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const message =
      error.code === 'EADDRINUSE'
        ? 'another vipd runs on this host; one daemon serves several VIPs: put them into one file'
        : `cannot make sure that no other vipd runs on this host (${error.code})`;
    throw new Error(message, { cause: error });
  }
}
