import type { Channel, Channels, Descriptor, Endpoint, Generation, Launched, RelayBackend } from '../kernel/ports.js';
import type { Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis, plus } from '../time/instant.js';
import { type Conversation, converse } from './conversation.js';
import {
  type CededVip,
  encode,
  fewEnough,
  fits,
  type GiverMessage,
  type HeirMessage,
  protocolVersion,
  type Remainder,
  remainders,
  type VipIdentity,
  type VipOpinions,
} from './messages.js';

/** What there is to hand over, and how. */
export interface Estate {
  readonly lock: Descriptor;
  readonly generation: Generation;
  readonly ancestors: number;
  /** Copies, disposed here. */
  sockets(): readonly (Endpoint & { readonly socket: Descriptor })[];
  drained(): readonly { readonly vip: string; readonly backend: string }[];
  opinions(): readonly VipOpinions[];
  /** Why it cannot be handed over to one that has these VIPs, in a sentence; undefined when it can. */
  refusal(vips: readonly VipIdentity[]): string | undefined;
  /** Speaks for no VIP any more. */
  cede(): Promise<readonly CededVip[]>;
  /** Takes no more clients; settles when that is so, and whoever watches over this process knows that it is another one from now on. */
  leave(to: number): Promise<void>;
  resetAt(ip: Ip, backend?: RelayBackend): Promise<void>;
  /** What is open here, and, as far as is known, in processes before. */
  remaining(): readonly Remainder[];
  /** Whether there is nothing open here, and no process before any more. */
  isOver(): boolean;
  /** How long the one that goes on may take to lead, from `cede` on. */
  readonly patience: Millis;
}

/** It leads; this process only ends what it had open. */
export interface Successor {
  readonly pid: number;
  readonly version: string;
  /** Settles when this process has nothing open any more: it has all ended, was reset after `bound`, or the successor is gone. */
  finish(bound: Millis): Promise<void>;
}

/** Handing over was begun, and neither process may lead now without more ado. */
export class Stranded extends Error {}

/** From its start until it asks; until backends are checked and the cluster is known. */
const start = millis(20_000);
const preparation = millis(40_000);
/** Of one message, beside the lock (`Channel.send`). */
const socketsAtMost = 252;
/** How often it is looked what is open, and how often the successor is told. */
const period = millis(200);
const looksBetween = 5;

/**
 * Starts another process and hands everything over to it. Rejects with an Error of one sentence when it came to nothing: this process
 * leads on as if nothing had been. Rejects with Stranded when it has ceded and the other did not go on, and lives no longer.
 * @param path of the socket where the other comes
 */
export async function handOver(
  estate: Estate,
  parts: {
    readonly channels: Channels;
    readonly path: string;
    readonly launch: (path: string) => Promise<Launched>;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<Successor> {
  const { channels, path, clock, log } = parts;
  const door = openDoor(channels, path, clock);
  let launched: Launched;
  try {
    launched = await parts.launch(path);
  } catch (error) {
    door[Symbol.dispose]();
    throw error;
  }
  const { pid, ended } = launched;
  const gone = ended.then(() => {
    throw new Error('the new process has ended; its log says why');
  });
  gone.catch(() => {});
  let hasCeded = false;
  try {
    const talk = await Promise.race([door.visitor(start), gone]);
    const say = (message: GiverMessage, descriptors?: readonly Descriptor[]) => talk.say(message, descriptors);
    const refuse = (because: string) => {
      say({ kind: 'no', because });
      throw new Error(because);
    };
    const version = await take(talk, estate, refuse);
    const ready = await Promise.race([talk.hear(preparation), gone]);
    if (ready.message.kind !== 'ready') throw new Error('the new process speaks out of turn');
    // After a pause of this process the new one may have given up since: it is heard first.
    await new Promise<void>((resolve) => clock.at(plus(clock.now(), millis(1)), resolve));
    if (talk.isOver) throw new Error('the new process has ended');
    const refusal = estate.refusal(ready.message.vips);
    if (refusal !== undefined) refuse(refusal);
    hasCeded = true;
    say({ kind: 'yours', vips: await estate.cede() });
    const { message } = await Promise.race([talk.hear(estate.patience), gone]);
    if (message.kind !== 'mine') throw new Error('the new process speaks out of turn');
    await estate.leave(pid);
    say({ kind: 'left' });
    log.info('handed over', { to: pid, version });
    return { pid, version, finish: (bound) => finish(talk, estate, bound, clock, log) };
  } catch (error) {
    // Before anything else is done here: two must never lead.
    launched.kill();
    await ended;
    if (!hasCeded) throw error;
    const because = error instanceof Error ? error.message : String(error);
    throw new Stranded(`${because}; the VIPs were being handed over, and are given up: start vipd again`, {
      cause: error,
    });
  } finally {
    door[Symbol.dispose]();
  }
}

/** Hears who comes, and gives what there is. */
async function take(
  talk: Conversation<HeirMessage, GiverMessage>,
  estate: Estate,
  refuse: (because: string) => void,
): Promise<string> {
  const { message } = await talk.hear(start);
  if (message.kind !== 'take' || message.protocol !== protocolVersion)
    refuse('the new process speaks another language');
  const { version } = message as HeirMessage & { readonly kind: 'take' };
  const sockets = estate.sockets();
  if (sockets.length > socketsAtMost) {
    for (const { socket } of sockets) socket[Symbol.dispose]();
    refuse(
      `at most ${socketsAtMost} listening sockets can be handed over, and here are ${sockets.length}; restart vipd instead`,
    );
  }
  try {
    const listeners = sockets.map(({ ip, port }) => ({ ip, port }));
    const opinions = fewEnough(estate.opinions());
    talk.say(
      {
        kind: 'here',
        listeners,
        generation: estate.generation,
        ancestors: estate.ancestors,
        opinions,
        drained: estate.drained(),
      },
      [estate.lock, ...sockets.map(({ socket }) => socket)],
    );
  } finally {
    for (const { socket } of sockets) socket[Symbol.dispose]();
  }
  return version;
}

/** Where the one comes that was started; a second one finds it closed. */
function openDoor(channels: Channels, path: string, clock: Clock) {
  let enter: (talk: Conversation<HeirMessage, GiverMessage>) => void = () => {};
  const visitor = new Promise<Conversation<HeirMessage, GiverMessage>>((resolve) => {
    enter = resolve;
  });
  let first: Channel | undefined;
  let told: Parameters<Parameters<typeof converse>[0]>[0] | undefined;
  const listening = channels.listen(
    path,
    {
      onMessage(message, channel) {
        if (first === undefined) {
          first = channel;
          enter(
            converse(
              (events) => {
                told = events;
                return channel;
              },
              'the new process',
              clock,
            ),
          );
        }
        if (channel === first) return told?.onMessage(message, channel);
        for (const one of message.descriptors) one[Symbol.dispose]();
        channel[Symbol.dispose]();
      },
      onEnd(because, channel) {
        if (channel === first) told?.onEnd(because, channel);
      },
    },
    () => {},
  );
  return {
    async visitor(patience: Millis): Promise<Conversation<HeirMessage, GiverMessage>> {
      let timer: Disposable | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = clock.at(plus(clock.now(), patience), () =>
          reject(new Error(`the new process has not come within ${patience / 1000} s`)),
        );
      });
      return Promise.race([visitor, late]).finally(() => timer?.[Symbol.dispose]());
    },
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}

/** Does what the successor says with what is open here, and tells it how much that is, until nothing is. */
async function finish(
  talk: Conversation<HeirMessage, GiverMessage>,
  estate: Estate,
  bound: Millis,
  clock: Clock,
  log: Log,
): Promise<void> {
  const tell = (message: GiverMessage) => {
    const bytes = encode(message);
    try {
      if (fits(bytes)) talk.say(message);
    } catch {
      // It does not read, or is gone: `ended` says so.
    }
  };
  talk.listen((message) => {
    if (message.kind !== 'reset') return;
    void estate.resetAt(message.ip, message.backend).then(() => tell({ kind: 'was-reset', id: message.id }));
  });
  const end = plus(clock.now(), bound);
  /** What has been told once is told to its end. */
  let told: readonly Remainder[] = [];
  let wake: () => void = () => {};
  void talk.ended.then(() => wake());
  for (let looks = 0; ; looks++) {
    const isDone = estate.isOver();
    const remaining = estate.remaining();
    if (looks % looksBetween === 0 || isDone) {
      const over = told.filter((one) => !remaining.some((now) => isSameListener(now, one)));
      told = [...remaining, ...over.map((one) => ({ ...one, connections: 0, backends: [] }))];
      for (const message of told.flatMap(remainders)) tell(message);
    }
    if (isDone) return log.info('all that was open here has ended');
    const connections = remaining.reduce((all, one) => all + one.connections, 0);
    if (talk.isOver) return log.warn('the process that went on has ended: what is open here ends too', { connections });
    if (clock.now() >= end) return log.warn('what is open here has had its time', { connections });
    await new Promise<void>((resolve) => {
      wake = resolve;
      clock.at(plus(clock.now(), period), resolve);
    });
  }
}

function isSameListener(a: Remainder, b: Remainder): boolean {
  return a.of === b.of && a.ip === b.ip && a.port === b.port;
}
