import { KernelError } from '../../src/kernel/errors.js';
import type { Masquerade, MasqueradedService } from '../../src/kernel/ports.js';

/** The masquerade in memory. */
export interface FakeMasquerade extends Masquerade {
  services: readonly MasqueradedService[];
  /** While set, every `set` is refused with this code and changes nothing. */
  refusal: string | undefined;
}

export function createFakeMasquerade(): FakeMasquerade {
  const masquerade: FakeMasquerade = {
    services: [],
    refusal: undefined,
    async set(wanted) {
      if (masquerade.refusal !== undefined) throw new KernelError('set nftables masquerade', masquerade.refusal);
      masquerade.services = [...wanted];
    },
  };
  return masquerade;
}
