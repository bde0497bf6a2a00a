import type { RelayBackend, RelayListener } from '../kernel/ports.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';

/** The relay resets thousands of connections in some milliseconds; its clients are not waited for longer than this. */
const patience = millis(500);
const look = millis(2);

/** Resets the connections of these listeners, to one backend or all; settles when the relay has reset all, or patience is over. */
export async function resetClients(
  listeners: readonly RelayListener[],
  clock: Clock,
  backend?: RelayBackend,
): Promise<void> {
  const wanted = listeners.map((listener) => {
    const done = listener.stats().resets + 1;
    listener.reset(backend);
    return { listener, done };
  });
  // Those of one backend are not counted.
  if (backend !== undefined) return;
  const end = plus(clock.now(), patience);
  while (clock.now() < end && wanted.some(({ listener, done }) => listener.stats().resets < done)) {
    await new Promise<void>((resolve) => clock.at(plus(clock.now(), look), resolve));
  }
}
