import { type Instant, type Millis, millis } from '../time/instant.js';
import type { Authority } from './leadership.js';

/** The authorities under which the address is put and refreshed. */
export type Acting = Exclude<Authority, { kind: 'none' | 'suspended' }>;

const second = 1000;
/**
 * In seconds. The kernel looks for lifetimes that have ended up to a quarter of a second late (check_lifetime in
 * net/ipv4/devinet.c rounds its timer up to whole seconds), and takes no fractions: one second less keeps the dead-man's time. New
 * kernels are later yet on an idle machine (docs/decisions/0003).
 */
const kernelLateness = 1;

/**
 * The kernel's lifetime for the address, in whole seconds: never beyond the proof, so that it is gone from a node that dies now
 * before another may take it. Undefined when less than a second of proof is left, which the kernel cannot express; who may hold
 * the address after its proof takes one second even then.
 */
export function lifetimeOf(
  deadManSwitch: Millis | 'off',
  authority: Acting,
  now: Instant,
): Millis | 'forever' | undefined {
  if (deadManSwitch === 'off') return 'forever';
  const longest = Math.max(1, Math.floor(deadManSwitch / second) - kernelLateness);
  const seconds = authority.kind === 'proven' ? Math.floor((authority.until - now) / second) : longest;
  if (seconds >= 1) return millis(Math.min(longest, seconds) * second);
  return authority.kind === 'proven' && authority.thenHeld ? millis(second) : undefined;
}

/** Three refreshes in a lifetime. */
export function refreshInterval(lifetime: Millis | 'forever'): Millis {
  return millis(lifetime === 'forever' ? second : lifetime / 3);
}
