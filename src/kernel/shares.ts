import type { Redirect, Redirects } from '../kernel/ports.js';

/** The daemon has one nftables table, its VIPs a share of it each. */
export interface RedirectShare {
  set(redirects: readonly Redirect[]): Promise<void>;
}

export function createRedirectShares(redirects: Redirects): () => RedirectShare {
  const shares = new Set<{ wanted: readonly Redirect[] }>();
  let work: Promise<unknown> = Promise.resolve();
  return () => {
    const share = { wanted: [] as readonly Redirect[] };
    shares.add(share);
    return {
      set(wanted) {
        const before = share.wanted;
        share.wanted = wanted;
        // One change at a time; each writes what all shares want by then.
        const change = work.then(() => redirects.set([...shares].flatMap((s) => s.wanted)));
        work = change.catch(() => {
          if (share.wanted === wanted) share.wanted = before;
        });
        return change;
      },
    };
  };
}
