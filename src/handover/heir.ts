import type { Channels, Descriptor, Endpoint, Generation, RelayBackend } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis } from '../time/instant.js';
import { converse } from './conversation.js';
import {
  type CededVip,
  type GiverMessage,
  type HeirMessage,
  protocolVersion,
  type Remainder,
  type VipIdentity,
  type VipOpinions,
} from './messages.js';

/** The process before, as the one that goes on knows it. */
export interface Predecessor extends Disposable {
  readonly lock: Descriptor;
  readonly sockets: readonly (Endpoint & { readonly socket: Descriptor })[];
  readonly generation: Generation;
  /** How many processes before it still served something when it handed over. */
  readonly ancestors: number;
  readonly drained: readonly { readonly vip: string; readonly backend: string }[];
  /** Has it stop speaking for the VIPs. Rejects with an Error of one sentence when it will not: then it leads on, and this process ends. */
  cede(vips: readonly VipIdentity[]): Promise<readonly CededVip[]>;
  /** Tells it that this process leads; settles when it takes no more clients, or cannot say so any more. */
  leads(): Promise<void>;
  readonly opinions: readonly VipOpinions[];
  /** Whether it has ended, and serves nothing any more. */
  readonly isOver: boolean;
  /** Settles when it has reset what is open at an address, to one backend or all, or has ended. */
  resetAt(ip: Ip, backend?: RelayBackend): Promise<void>;
  /** What it has open, and what those before it have, as it said last. */
  remaining(): readonly Remainder[];
}

/** The other answers at once. */
const patience = millis(10_000);
/** Until it has no request under way that another process must not meet, which takes as long as one may. Whoever waits has nothing to lose. */
export const ceding = millis(120_000);

/** Meets the process that waits at the path. Rejects with an Error of one sentence when it cannot be, or will not. */
export async function meetPredecessor(
  channels: Channels,
  path: string,
  {
    version,
    clock,
    onSilence,
  }: {
    readonly version: string;
    readonly clock: Clock;
    /** It has not said that it takes no more clients. */
    readonly onSilence: (error: unknown) => void;
  },
): Promise<Predecessor> {
  const talk = converse<GiverMessage, HeirMessage>(
    (events) => channels.connect(path, events),
    'the vipd that was to hand over',
    clock,
  );
  let last: readonly { readonly part: number; readonly listener: Remainder }[] = [];
  let asked = 0;
  const resets = new Map<number, () => void>();

  async function ask<K extends GiverMessage['kind']>(message: HeirMessage, kind: K, within: Millis) {
    talk.say(message);
    const { message: answer, descriptors } = await talk.hear(within);
    if (answer.kind === kind) return { answer: answer as GiverMessage & { readonly kind: K }, descriptors };
    for (const one of descriptors) one[Symbol.dispose]();
    throw new Error(
      answer.kind === 'no'
        ? `the running vipd does not hand over: ${answer.because}`
        : `the running vipd said ${answer.kind} where ${kind} was due`,
    );
  }

  function heard(message: GiverMessage): void {
    if (message.kind === 'was-reset') {
      resets.get(message.id)?.();
      resets.delete(message.id);
    } else if (message.kind === 'remaining') {
      const { listener, part, parts } = message;
      const isSame = (one: Remainder) => one.of === listener.of && one.ip === listener.ip && one.port === listener.port;
      const isOld = (one: { readonly part: number; readonly listener: Remainder }) =>
        isSame(one.listener) && (one.part === part || one.part >= parts);
      last = [...last.filter((one) => !isOld(one)), { part, listener }];
    }
  }

  function over(): void {
    for (const settle of resets.values()) settle();
    resets.clear();
    last = last.map(({ part, listener }) => ({ part, listener: { ...listener, connections: 0, backends: [] } }));
  }

  try {
    const here = await ask({ kind: 'take', protocol: protocolVersion, version }, 'here', patience);
    const [lock, ...sockets] = here.descriptors;
    if (lock === undefined || sockets.length !== here.answer.listeners.length)
      throw new Error('the running vipd has handed over too few open files');
    return {
      lock,
      sockets: here.answer.listeners.map((at, i) => ({ ...at, socket: sockets[i] as Descriptor })),
      generation: here.answer.generation,
      ancestors: here.answer.ancestors,
      drained: here.answer.drained,
      opinions: here.answer.opinions,
      async cede(vips) {
        return (await ask({ kind: 'ready', vips }, 'yours', ceding)).answer.vips;
      },
      async leads() {
        // From here on nobody else leads, whatever has become of the other process: if it lives, it hears this word first.
        await ask({ kind: 'mine' }, 'left', patience).catch(onSilence);
        talk.listen(heard);
        void talk.ended.then(over);
      },
      resetAt(ip, backend) {
        const id = asked++;
        return new Promise((resolve) => {
          resets.set(id, resolve);
          try {
            talk.say({ kind: 'reset', id, ip, backend });
          } catch {
            // It has ended, and with it what it had open.
            resets.delete(id);
            resolve();
          }
        });
      },
      get isOver() {
        return talk.isOver;
      },
      // Of a long one the connections are said with every part.
      remaining: () => last.map(({ part, listener }) => (part === 0 ? listener : { ...listener, connections: 0 })),
      [Symbol.dispose]() {
        talk[Symbol.dispose]();
        for (const one of here.descriptors) one[Symbol.dispose]();
      },
    };
  } catch (error) {
    talk[Symbol.dispose]();
    throw error;
  }
}
