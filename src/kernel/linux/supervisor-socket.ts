import type { Supervisor } from '../ports.js';
import { type Addon, orKernelError } from './addon.js';

/** @param path of the Unix socket that NOTIFY_SOCKET names; one that begins with `@` is abstract */
export function createSupervisor(addon: Pick<Addon, 'unixSend'>, path: string): Supervisor {
  return {
    tell: (assignments) =>
      orKernelError(path, () => addon.unixSend(path, new TextEncoder().encode(assignments.join('\n')))),
  };
}
