import assert from 'node:assert/strict';

/** Collects what a callback is told, so that a test can wait for it. */
export interface Events<T> {
  readonly all: readonly T[];
  readonly push: (event: T) => void;
  /** The next event that matches, among those that no earlier call has passed over. Rejects after `within` milliseconds. */
  next<M extends T>(what: string, matches: (event: T) => event is M, within?: number): Promise<M>;
  next(what: string, matches: (event: T) => boolean, within?: number): Promise<T>;
  /** Passes over everything until now. */
  skip(): void;
}

export function createEvents<T>(): Events<T> {
  const all: T[] = [];
  let seen = 0;
  let wake: (() => void) | undefined;
  return {
    all,
    push(event) {
      all.push(event);
      wake?.();
    },
    skip() {
      seen = all.length;
    },
    async next(what: string, matches: (event: T) => boolean, within = 5_000) {
      const until = performance.now() + within;
      for (;;) {
        while (seen < all.length) {
          const event = all[seen++] as T;
          if (matches(event)) return event;
        }
        const left = until - performance.now();
        assert.ok(left > 0, `no ${what} within ${within} ms; the last were ${JSON.stringify(all.slice(-3))}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  } as Events<T>;
}
