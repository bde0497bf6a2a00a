import type { Programs } from '../kernel/ports.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { type NotifiedState, notifiedState, notifyArguments } from './notify.js';
import type { VrrpState } from './state.js';

/** The operator's programs by what they are told of; `all` is told of everything, after the others. */
export interface NotifyCommands {
  readonly master: readonly string[] | undefined;
  readonly backup: readonly string[] | undefined;
  readonly fault: readonly string[] | undefined;
  readonly stop: readonly string[] | undefined;
  readonly all: readonly string[] | undefined;
}

/** Tells the operator's programs what this router is. */
export interface Notifier {
  /** @param serves as for `notifiedState` */
  look(state: VrrpState, serves: boolean): void;
  change(commands: NotifyCommands): void;
  /** Resolves when all has been told, or when that takes too long. */
  told(): Promise<void>;
}

/** A program that takes longer is ended: those after it wait. */
const patience = millis(30_000);
/** How long the end of the daemon waits for them. */
const farewellPatience = millis(3000);
/** So many may wait; more are dropped, since who flaps so fast has nothing to tell. */
const waitingAtMost = 32;

/** One program at a time and in order, so that the last one that runs tells what is. */
export function createNotifier(parts: {
  readonly vip: string;
  readonly commands: NotifyCommands;
  readonly programs: Programs;
  readonly clock: Clock;
  readonly log: Log;
}): Notifier {
  const { vip, programs, clock, log } = parts;
  let { commands } = parts;
  let last: NotifiedState | undefined;
  let waiting = 0;
  let work = Promise.resolve();

  function tell(word: NotifiedState, command: readonly string[]): void {
    if (waiting >= waitingAtMost) return log.error('notify program not run: too many are waiting', { state: word });
    waiting++;
    work = work.then(() => run(word, command));
  }

  async function run(word: NotifiedState, command: readonly string[]): Promise<void> {
    const how = await programs.run(command, patience).ended;
    waiting--;
    if (how.kind === 'exit' && how.status === 0) return;
    log.warn('notify program failed', { state: word, program: command[0], ...how });
  }

  /** While there is time to mend it: the failover is none. */
  async function check(): Promise<void> {
    for (const command of Object.values(commands)) {
      const refusal = command === undefined ? undefined : await programs.refusal(command);
      if (refusal !== undefined)
        log.warn('a notify program cannot be run', { program: command?.[0], because: refusal });
    }
  }

  void check();
  return {
    look(state, serves) {
      const word = notifiedState(state, serves);
      if (word === undefined || word === last) return;
      last = word;
      const special = commandFor(commands, word);
      if (special !== undefined) tell(word, special);
      if (commands.all !== undefined) tell(word, [...commands.all, ...notifyArguments(vip, word, state.priority)]);
    },
    change(next) {
      commands = next;
      void check();
    },
    async told() {
      let timer: Disposable | undefined;
      const late = new Promise<void>((resolve) => {
        timer = clock.at(plus(clock.now(), farewellPatience), () => {
          log.warn('a notify program still runs; it is not waited for');
          resolve();
        });
      });
      await Promise.race([work, late]);
      timer?.[Symbol.dispose]();
    },
  };
}

function commandFor(commands: NotifyCommands, word: NotifiedState): readonly string[] | undefined {
  switch (word) {
    case 'MASTER':
      return commands.master;
    case 'BACKUP':
      return commands.backup;
    case 'FAULT':
      return commands.fault;
    case 'STOP':
      return commands.stop;
  }
}
