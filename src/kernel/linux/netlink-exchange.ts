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

/** A socket for questions to the kernel, one at a time. */
export interface NetlinkExchange extends Disposable {
  /**
   * Sends the requests in one datagram. Resolves with what the kernel listed when it has answered the last one (which must
   * ask for an answer: `ack` or `dump`). Rejects with a KernelError named `operation` at the first refusal; `ESTALE` when what was
   * listed changed meanwhile, `ETIMEDOUT` when no answer came, and whatever the socket says.
   */
  ask(operation: string, requests: readonly NetlinkRequest[]): Promise<readonly NetlinkMessage[]>;
}

interface Question {
  readonly operation: string;
  readonly first: number;
  readonly last: number;
  readonly listed: NetlinkMessage[];
  readonly settle: (refusal: string | undefined) => void;
}

/** Throws KernelError when the kernel gives no such socket. */
export function openNetlinkExchange(protocol: number, clock: Clock): NetlinkExchange {
  let question: Question | undefined;
  let sequence = 0;
  const socket = openNetlinkSocket(
    protocol,
    {},
    (datagram) => {
      const messages = decodeMessages(datagram);
      if (!messages.ok) question?.settle('EBADMSG');
      else for (const message of messages.value) if (question !== undefined) take(question, message);
    },
    (code) => question?.settle(code),
  );
  return {
    ask(operation, requests) {
      if (question !== undefined) throw new Error('one question at a time');
      return new Promise((resolve, reject) => {
        const first = sequence + 1;
        const messages = requests.map((request) => ({
          ...request,
          flags: request.flags | messageFlag.request,
          sequence: ++sequence,
        }));
        const listed: NetlinkMessage[] = [];
        const settle = (refusal: string | undefined) => {
          question = undefined;
          deadline[Symbol.dispose]();
          if (refusal === undefined) resolve(listed);
          else reject(new KernelError(operation, refusal));
        };
        const deadline = clock.at(plus(clock.now(), answerDeadline), () => settle('ETIMEDOUT'));
        question = { operation, first, last: sequence, listed, settle };
        socket.send(concat(...messages.map(encodeMessage)));
      });
    },
    [Symbol.dispose]() {
      question?.settle('ECANCELED');
      socket[Symbol.dispose]();
    },
  };
}

/** One message of the answer. A list ends with NLMSG_DONE, everything else with an NLMSG_ERROR that may say "no error". */
function take(question: Question, message: NetlinkMessage): void {
  if (message.sequence < question.first || message.sequence > question.last) return;
  if (message.type !== messageType.error && message.type !== messageType.done) {
    question.listed.push(message);
    return;
  }
  const refusal = errorCode(message.payload);
  const interrupted = [message, ...question.listed].some((part) => (part.flags & messageFlag.dumpInterrupted) !== 0);
  if (refusal !== undefined) question.settle(refusal);
  else if (message.sequence === question.last) question.settle(interrupted ? 'ESTALE' : undefined);
}
