/** What one manner came to: a line for people, and what of it was not as it has to be. */
export interface Finding {
  readonly manner: string;
  readonly says: string;
  readonly wrong: readonly string[];
}

/** Collects what is otherwise than it has to be. */
export interface Judge {
  /** Equal, as JSON. */
  same(what: string, is: unknown, should: unknown): void;
  /** At most. */
  most(what: string, is: number, limit: number): void;
  found(manner: string, says: string): Finding;
}

export function createJudge(): Judge {
  const wrong: string[] = [];
  return {
    same(what, is, should) {
      const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
      if (a !== b) wrong.push(`${what}: ${a} instead of ${b}`);
    },
    most(what, is, limit) {
      if (!(is <= limit)) wrong.push(`${what}: ${is}, more than ${limit}`);
    },
    found: (manner, says) => ({ manner, says, wrong }),
  };
}

/** What was counted since, without what did not change. */
export function since(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const grown = Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, value]) => value !== 0).sort());
}
