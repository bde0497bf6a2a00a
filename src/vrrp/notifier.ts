import type { ProgramRun, Programs } from '../kernel/ports.js';
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
/** How long the end of the daemon waits for them: for one that is ended at once, and for STOP. */
const farewellPatience = millis(5000);
/** So many may wait; more are dropped, since who flaps so fast has nothing to tell. */
const waitingAtMost = 32;

interface Telling {
  readonly state: NotifiedState;
  readonly command: readonly string[];
}

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
  let waiting: Telling[] = [];
  let current: ProgramRun | undefined;
  let work: Promise<void> | undefined;

  function tell(telling: Telling): void {
    if (waiting.length >= waitingAtMost) {
      log.error('notify program not run: too many are waiting', { state: telling.state });
      return;
    }
    waiting.push(telling);
    work ??= runAll().finally(() => {
      work = undefined;
    });
  }

  async function runAll(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { state, command } = next;
      current = programs.run(command, patience, 'children');
      const how = await current.ended;
      if (how.kind !== 'exit' || how.status !== 0) {
        log.warn('notify program failed', { state, program: command[0], ...how });
      }
      await current.gone;
    }
    current = undefined;
  }

  /** What is still to be told is overtaken, and must not keep the last word from being heard. */
  function hurry(): void {
    for (const { state, command } of waiting) {
      log.warn('notify program not run: vipd stops', { state, program: command[0] });
    }
    waiting = [];
    current?.stop();
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
    look(vrrp, serves) {
      const state = notifiedState(vrrp, serves);
      if (state === undefined || state === last) return;
      last = state;
      if (state === 'STOP') hurry();
      const special = commandFor(commands, state);
      if (special !== undefined) tell({ state, command: special });
      if (commands.all === undefined) return;
      tell({ state, command: [...commands.all, ...notifyArguments(vip, state, vrrp.priority)] });
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
