import { KernelError } from '../../src/kernel/errors.js';
import type { Redirect, Redirects } from '../../src/kernel/ports.js';

/** The redirects in memory. */
export interface FakeRedirects extends Redirects {
  /** What the table holds; undefined when there is none. */
  readonly table: readonly Redirect[] | undefined;
  /** While set, every `set` is refused with this code and changes nothing. */
  refusal: string | undefined;
}

export function createFakeRedirects(): FakeRedirects {
  let table: readonly Redirect[] | undefined;
  const redirects: FakeRedirects = {
    refusal: undefined,
    get table() {
      return table;
    },
    async set(wanted) {
      if (redirects.refusal !== undefined) throw new KernelError('set nftables redirects', redirects.refusal);
      table = wanted.length === 0 ? undefined : [...wanted];
    },
  };
  return redirects;
}
