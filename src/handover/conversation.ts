import type { Channel, ChannelEvents, Descriptor } from '../kernel/ports.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis, plus } from '../time/instant.js';
import { decode, encode, type GiverMessage, type HeirMessage } from './messages.js';

type Message = HeirMessage | GiverMessage;

export interface Heard<M extends Message> {
  readonly message: M;
  /** The receiver's to dispose. */
  readonly descriptors: readonly Descriptor[];
}

/** A channel as one question and answer after the other. */
export interface Conversation<In extends Message, Out extends Message> extends Disposable {
  say(message: Out, descriptors?: readonly Descriptor[]): void;
  /** The next message. Rejects with an Error of one sentence when the other is gone, or silent for so long. */
  hear(patience: Millis): Promise<Heard<In>>;
  /** From now on messages go there; what came before is told first. */
  listen(onMessage: (message: In) => void): void;
  /** Whether the other is gone. */
  readonly isOver: boolean;
  /** Settles when the other is gone. */
  readonly ended: Promise<void>;
}

/** @param open makes the channel. What it throws is thrown on */
export function converse<In extends Message, Out extends Message>(
  open: (events: ChannelEvents) => Channel,
  who: string,
  clock: Clock,
): Conversation<In, Out> {
  const queue: Heard<In>[] = [];
  let wake: () => void = () => {};
  let onMessage: ((message: In) => void) | undefined;
  let isOver = false;
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });

  const channel = open({
    onMessage({ payload, descriptors }) {
      const message = decode<In>(payload);
      if (message === undefined) {
        for (const one of descriptors) one[Symbol.dispose]();
        channel[Symbol.dispose]();
        return over();
      }
      if (onMessage === undefined) queue.push({ message, descriptors });
      else onMessage(message);
      wake();
    },
    onEnd: over,
  });

  function over(): void {
    isOver = true;
    wake();
    end();
  }

  return {
    ended,
    say: (message, descriptors) => channel.send(encode(message), descriptors),
    async hear(patience) {
      let isLate = false;
      // After a pause of this process a timer is due before what has come meanwhile is read: it is read first.
      let timer = clock.at(plus(clock.now(), patience), () => {
        timer = clock.at(plus(clock.now(), millis(1)), () => {
          isLate = true;
          wake();
        });
      });
      using _ = { [Symbol.dispose]: () => timer[Symbol.dispose]() };
      for (;;) {
        const heard = queue.shift();
        if (heard !== undefined) return heard;
        if (isOver) throw new Error(`${who} has ended`);
        if (isLate) throw new Error(`${who} has said nothing for ${patience / 1000} s`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    listen(listener) {
      onMessage = listener;
      for (const { message } of queue.splice(0)) listener(message);
    },
    [Symbol.dispose]() {
      channel[Symbol.dispose]();
      over();
    },
    get isOver() {
      return isOver;
    },
  };
}
