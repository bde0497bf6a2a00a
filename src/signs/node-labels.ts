import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import type { NodeLabelApi, Refusal } from './api.js';
import { type HeldVip, isSo, patchFor, wantedLabels } from './labels.js';

/** Keeps the labels of this node as the VIPs are. Nothing waits for it, and nothing comes of its failures but a line in the log. */
export interface NodeLabels extends Disposable {
  /** Removes what an earlier life left. */
  start(): void;
  /** These VIPs are on this node now. */
  held(vips: readonly HeldVip[]): void;
  /** Resolves when the labels are right, when the API refuses, or when that takes too long. */
  settled(): Promise<void>;
  view(): unknown;
}

/** A VIP that comes and goes within this time is no write. */
const calm = millis(500);
const requestTimeout = millis(5000);
/** A Node that was made anew has no labels, and people take labels off. */
const lookAgain = millis(5 * 60_000);
const farewellPatience = millis(2000);

/** How long to wait after so many failures in a row, in milliseconds: doubling from a second, to five minutes where a person must help. */
export function pauseAfter(failures: number, refusal: Refusal['refusal'], random: number): number {
  const ceiling = ['forbidden', 'absent', 'invalid', 'unauthorized'].includes(refusal) ? lookAgain : 60_000;
  return Math.min(ceiling, 1000 * 2 ** Math.min(failures - 1, 16)) * (0.5 + random / 2);
}

/** @param parts.vips the names of all VIPs of the settings */
export function createNodeLabels(parts: {
  readonly api: NodeLabelApi;
  readonly vips: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}): NodeLabels {
  const { api, vips, clock, log, random = Math.random } = parts;
  let wanted: Readonly<Record<string, string>> = {};
  /** What the Node has, as far as it is known. */
  let found: Readonly<Record<string, string>> | undefined;
  let started = false;
  let disposed = false;
  let asking = false;
  let timer: Disposable | undefined;
  let failures = 0;
  let complaint: string | undefined;
  let onRound: (() => void) | undefined;

  function later(pause: number): void {
    timer?.[Symbol.dispose]();
    timer = undefined;
    if (started && !disposed) timer = clock.at(plus(clock.now(), millis(pause)), () => void round());
  }

  async function round(): Promise<void> {
    if (asking || disposed) return;
    asking = true;
    const asked = wanted;
    const answer = await api.patch(patchFor(asked, found ?? {}, vips), requestTimeout);
    asking = false;
    if (answer.ok) {
      const was = found;
      found = answer.labels;
      complaint = undefined;
      if (was === undefined ? Object.keys(asked).length > 0 : !isSo(asked, was)) log.info('node labels', { ...asked });
    } else {
      complain(answer);
    }
    const isRight = answer.ok && isSo(wanted, answer.labels);
    // What is wanted meanwhile, and what the answer brought to light, is no failure unless it stays so.
    failures = isRight ? 0 : failures + 1;
    if (isRight) later(lookAgain);
    else if (answer.ok && wanted !== asked) later(calm);
    else later(pauseAfter(failures, answer.ok ? 'server-error' : answer.refusal, random()));
    onRound?.();
  }

  function complain({ refusal, detail }: Refusal): void {
    const words = `${refusal}: ${detail}`;
    // Once, not with every attempt.
    log[words === complaint ? 'debug' : 'warn']('the node cannot be labelled', { because: refusal, detail });
    complaint = words;
  }

  const isRight = () => found !== undefined && isSo(wanted, found) && !asking;

  return {
    start() {
      started = true;
      later(0);
    },
    held(held) {
      wanted = wantedLabels(held);
      if (!asking && failures === 0) later(calm);
    },
    async settled() {
      if (!started || disposed || isRight()) return;
      let late: Disposable | undefined;
      await new Promise<void>((resolve) => {
        let rounds = asking ? 2 : 1;
        late = clock.at(plus(clock.now(), farewellPatience), resolve);
        onRound = () => {
          rounds--;
          if (isRight() || rounds <= 0) resolve();
          else later(0);
        };
        if (!asking) later(0);
      });
      onRound = undefined;
      late?.[Symbol.dispose]();
    },
    view: () => ({ wanted, found, failures, complaint }),
    [Symbol.dispose]() {
      disposed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
