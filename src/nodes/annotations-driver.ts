import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis, plus } from '../time/instant.js';
import type { Annotations, NodeAnnotationsApi } from './annotations.js';

const firstRetry = millis(1000);
const longestRetry = millis(60_000);

/**
 * Reads the Node's annotations once; while the API has no answer, ever more slowly again.
 * @param parts.timeout how long one request may take
 */
export function readAnnotations(parts: {
  readonly api: NodeAnnotationsApi;
  readonly timeout: Millis;
  readonly clock: Clock;
  readonly log: Log;
  readonly onAnswer: (annotations: Annotations) => void;
}): Disposable & { /** Settles when the first request has ended. */ readonly tried: Promise<void> } {
  const { api, timeout, clock, log, onAnswer } = parts;
  let timer: Disposable | undefined;
  let isDisposed = false;
  let pause = firstRetry;

  async function ask(): Promise<void> {
    const answer = await api.read(timeout);
    if (isDisposed) return;
    if (answer.ok) return onAnswer(answer.annotations);
    if (pause === firstRetry) {
      const { refusal: because, detail } = answer;
      log.info('the annotations of this node cannot be read yet: interfaces are those of the settings', {
        because,
        detail,
      });
    }
    timer = clock.at(plus(clock.now(), pause), () => void ask());
    pause = millis(Math.min(2 * pause, longestRetry));
  }

  return {
    tried: ask(),
    [Symbol.dispose]() {
      isDisposed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
