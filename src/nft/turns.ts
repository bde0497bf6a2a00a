/**
 * The order of a round in which each has as many turns as its weight, divided by what all have in common: as far from each other as
 * they can be, a a b a for 3 and 1. With each turn all credits grow by the weights, and who has most pays for the turn of all.
 */
export function turnsOf<T extends { readonly weight: number }>(all: readonly T[]): readonly T[] {
  const divisor = all.reduce((common, { weight }) => commonDivisor(weight, common), 0);
  const holders = all.map((one) => ({ one, weight: one.weight / divisor, credit: 0 }));
  const round = holders.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: round }, () => {
    for (const holder of holders) holder.credit += holder.weight;
    const next = holders.reduce((best, holder) => (holder.credit > best.credit ? holder : best));
    next.credit -= round;
    return next.one;
  });
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
