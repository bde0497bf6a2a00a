/** What one VIP wants of a table that the daemon has one of. */
export interface Share<T> {
  /** Replaces what this VIP wants. When the table refuses, it still wants what it wanted before. */
  set(wanted: readonly T[]): Promise<void>;
}

/**
 * Shares of one table, for as many VIPs as there are.
 * @param write makes the table hold exactly these
 */
export function createShares<T>(write: (all: readonly T[]) => Promise<void>): () => Share<T> {
  const shares = new Set<{ wanted: readonly T[] }>();
  let work: Promise<unknown> = Promise.resolve();
  return () => {
    const share = { wanted: [] as readonly T[] };
    shares.add(share);
    return {
      set(wanted) {
        const before = share.wanted;
        share.wanted = wanted;
        // One change at a time; each writes what all shares want by then.
        const change = work.then(() => write([...shares].flatMap((s) => s.wanted)));
        work = change.catch(() => {
          if (share.wanted === wanted) share.wanted = before;
        });
        return change;
      },
    };
  };
}
