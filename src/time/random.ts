/** A seeded random sequence that lives in a machine's state, so that a run can be repeated (mulberry32). */
export type Seed = number & { readonly __brand: 'Seed' };

/** A number in [0, 1) and the seed for the next one. */
export function random(seed: Seed): { readonly value: number; readonly seed: Seed } {
  const next = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(next ^ (next >>> 15), next | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return { value: ((t ^ (t >>> 14)) >>> 0) / 2 ** 32, seed: next as Seed };
}
