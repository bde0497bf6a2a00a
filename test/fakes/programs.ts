import type { ProgramEnd, Programs } from '../../src/kernel/ports.js';

/** Programs that end when a test says so, or at once. */
export interface FakePrograms extends Programs {
  /** Every command that was run, its words joined by spaces, in order. */
  readonly runs: string[];
  /** What the next runs end with at once; undefined: they wait for `end`. */
  answer: ProgramEnd | undefined;
  /** Ends the oldest run under way. */
  end(how: ProgramEnd): void;
  /** How many were told to end before they had. */
  stopped: number;
  /** While set, runs are gone only when it resolves. */
  lingering: Promise<void> | undefined;
  /** What `refusal` says. */
  code: string | undefined;
}

export const good: ProgramEnd = { kind: 'exit', status: 0 };
export const bad: ProgramEnd = { kind: 'exit', status: 1 };

export function createFakePrograms(answer?: ProgramEnd): FakePrograms {
  const waiting: ((how: ProgramEnd) => void)[] = [];
  const programs: FakePrograms = {
    runs: [],
    answer,
    stopped: 0,
    lingering: undefined,
    code: undefined,
    end: (how) => waiting.shift()?.(how),
    run(command) {
      programs.runs.push(command.join(' '));
      const given = programs.answer;
      const ended =
        given === undefined ? new Promise<ProgramEnd>((resolve) => waiting.push(resolve)) : Promise.resolve(given);
      const stop = () => void programs.stopped++;
      return { ended, gone: programs.lingering ?? ended.then(() => {}), stop, kill: stop };
    },
    refusal: async () => programs.code,
  };
  return programs;
}
