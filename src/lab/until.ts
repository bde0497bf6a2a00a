import type { Clock } from '../time/clock.js';
import { type Millis, plus } from '../time/instant.js';

/** How long to wait for something, how often to look, and its name for the message when it does not come. */
export interface Patience {
  readonly within: Millis;
  readonly every: Millis;
  readonly what: string;
}

/**
 * Looks until the condition gives something other than undefined or false, and returns that.
 * Throws an Error that names what was waited for; if the condition itself throws, the last such message is in it.
 */
export async function until<T>(
  clock: Clock,
  condition: () => T | Promise<T>,
  { within, every, what }: Patience,
): Promise<Exclude<T, undefined | false>> {
  const deadline = plus(clock.now(), within);
  let obstacle = '';
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      obstacle = '';
    } catch (error) {
      obstacle = ` (${error instanceof Error ? error.message : String(error)})`;
    }
    if (clock.now() >= deadline) throw new Error(`not within ${within} ms: ${what}${obstacle}`);
    await pause(clock, every);
  }
}

function pause(clock: Clock, duration: Millis): Promise<void> {
  return new Promise((resolve) => clock.at(plus(clock.now(), duration), resolve));
}
