import type { Clock } from '../time/clock.js';
import { between, millis, plus } from '../time/instant.js';

const period = millis(1000);

/** Once a second tells by how many seconds the event loop came too late, until disposed. */
export function watchLoopLag(clock: Clock, record: (seconds: number) => void): Disposable {
  let timer: Disposable;
  const wait = () => {
    const due = plus(clock.now(), period);
    timer = clock.at(due, () => {
      record(Math.max(0, between(due, clock.now())) / 1000);
      wait();
    });
  };
  wait();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
