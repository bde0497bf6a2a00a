import type { Clock } from '../../time/clock.js';
import { millis, plus } from '../../time/instant.js';
import { KernelError } from '../errors.js';
import {
  concat,
  decodeMessages,
  encodeMessage,
  errorCode,
  messageFlag,
  messageType,
  type NetlinkMessage,
  type NetlinkRequest,
} from './netlink-message.js';
import { openNetlinkSocket } from './netlink-socket.js';

/** The kernel answers within the system call that asks; an answer that is not there after this was lost. */
const answerDeadline = millis(5000);

/** Sockets that nobody uses are kept up to this number: that many questions are seldom open at once. */
const keptAtMost = 8;

/** Questions to the kernel. */
export interface NetlinkQuestions {
  /** As `NetlinkExchange.ask`, any number at a time; the question is in the kernel's hands when this returns. */
  ask: NetlinkExchange['ask'];
}

/**
 * Asks by sockets that are used again, because what a closed one had, 3 KiB, is freed only when all of the heap is collected: a VIP's
 * lifetime is refreshed for ever. One that was asked a moment ago is passed over: it would send later.
 */
export function createNetlinkQuestions(protocol: number, clock: Clock): NetlinkQuestions {
  const kept: NetlinkExchange[] = [];
  function take(): NetlinkExchange {
    const ready = kept.findIndex(({ sendsAtOnce }) => sendsAtOnce);
    if (ready < 0) return openNetlinkExchange(protocol, clock);
    const [exchange] = kept.splice(ready, 1) as [NetlinkExchange];
    if (!exchange.failed) {
      exchange.awaits(true);
      return exchange;
    }
    exchange[Symbol.dispose]();
    return take();
  }
  return {
    async ask(operation, requests) {
      const exchange = take();
      try {
        return await exchange.ask(operation, requests);
      } finally {
        if (exchange.failed || kept.length === keptAtMost) {
          exchange[Symbol.dispose]();
        } else {
          exchange.awaits(false);
          kept.push(exchange);
        }
      }
    },
  };
}

/** A socket for questions to the kernel, one at a time. */
export interface NetlinkExchange extends Disposable {
  /** The socket did not answer or is broken: it is of no more use. */
  readonly failed: boolean;
  /** Whether a question is in the kernel's hands when `ask` returns. */
  readonly sendsAtOnce: boolean;
  /** Whether the process lives on while this is open, as it does from the beginning. */
  awaits(anything: boolean): void;
  /**
   * Sends the requests in one datagram. Resolves with what the kernel listed when it has answered the last one that asks for an
   * answer (`ack` or `dump`). Rejects with a KernelError named `operation` (and the request's subject) at the first refusal that
   * the request does not tolerate; `EMSGSIZE` when they are too long for the kernel, and were not sent; `ESTALE` when what was listed changed meanwhile, `ETIMEDOUT` when no answer came, and whatever
   * the socket says.
   */
  ask(operation: string, requests: readonly NetlinkRequest[]): Promise<readonly NetlinkMessage[]>;
}

interface Question {
  /** The sequence number of the first request, and of the last one that is answered in any case. */
  readonly first: number;
  readonly last: number;
  readonly requests: readonly NetlinkRequest[];
  readonly listed: NetlinkMessage[];
  readonly settle: (refusal: string | undefined, request?: NetlinkRequest) => void;
}

/** Throws KernelError when the kernel gives no such socket. */
export function openNetlinkExchange(protocol: number, clock: Clock): NetlinkExchange {
  let question: Question | undefined;
  let nextSequence = 1;
  let failed = false;
  const fail = (code: string) => {
    failed = true;
    question?.settle(code);
  };
  const socket = openNetlinkSocket(
    protocol,
    (datagram) => {
      const messages = decodeMessages(datagram);
      if (!messages.ok) fail('EBADMSG');
      else for (const message of messages.value) if (question !== undefined) take(question, message);
    },
    fail,
  );
  return {
    get failed() {
      return failed;
    },
    get sendsAtOnce() {
      return socket.sendsAtOnce;
    },
    awaits: socket.awaits,
    ask(operation, requests) {
      if (question !== undefined) throw new Error('one question at a time');
      return new Promise((resolve, reject) => {
        const first = nextSequence;
        const answered = requests.findLastIndex(({ flags }) => (flags & (messageFlag.ack | messageFlag.dump)) !== 0);
        const listed: NetlinkMessage[] = [];
        const deadline = clock.at(plus(clock.now(), answerDeadline), () => fail('ETIMEDOUT'));
        question = {
          first,
          last: first + answered,
          requests,
          listed,
          settle(refusal, request) {
            question = undefined;
            deadline[Symbol.dispose]();
            const name = request?.subject === undefined ? operation : `${operation}: ${request.subject}`;
            if (refusal === undefined) resolve(listed);
            else reject(new KernelError(name, refusal));
          },
        };
        nextSequence += requests.length;
        const datagram = concat(...requests.map((request, index) => encodeRequest(request, first + index)));
        if (!socket.send(datagram)) question?.settle('EMSGSIZE');
      });
    },
    [Symbol.dispose]() {
      question?.settle('ECANCELED');
      socket[Symbol.dispose]();
    },
  };
}

function encodeRequest({ type, flags, payload }: NetlinkRequest, sequence: number): Uint8Array {
  return encodeMessage({ type, flags: flags | messageFlag.request, payload, sequence });
}

/** One message of the answer. A list ends with NLMSG_DONE, everything else with an NLMSG_ERROR that may say "no error". */
function take(question: Question, message: NetlinkMessage): void {
  const request = question.requests[message.sequence - question.first];
  if (request === undefined) return;
  if (message.type !== messageType.error && message.type !== messageType.done) {
    question.listed.push(message);
    return;
  }
  const code = errorCode(message.payload);
  const refusal = code !== undefined && request.tolerated?.includes(code) ? undefined : code;
  const interrupted = [message, ...question.listed].some(({ flags }) => (flags & messageFlag.dumpInterrupted) !== 0);
  if (refusal !== undefined) question.settle(refusal, request);
  else if (message.sequence === question.last) question.settle(interrupted ? 'ESTALE' : undefined);
}
