import { Readable } from 'node:stream';
import type { CliIo } from '../../../src/cli/command.js';
import { runCli } from '../../../src/cli/index.js';
import type { Settings } from '../../../src/config/settings.js';
import { createFakeClock, type FakeClock } from '../../fakes/clock.js';

export interface FakeIo extends CliIo {
  readonly printed: string[];
  readonly complained: string[];
  readonly started: Settings[];
  readonly clock: FakeClock;
}

/** A command's surroundings on a host called cp1; the daemon "runs" at once and ends well. */
export function createFakeIo(change: Partial<CliIo> = {}): FakeIo {
  const printed: string[] = [];
  const complained: string[] = [];
  const started: Settings[] = [];
  return {
    printed,
    complained,
    started,
    stdout: { write: (text) => void printed.push(text), isTerminal: false },
    stderr: { write: (text) => void complained.push(text), isTerminal: false },
    stdin: Readable.from([]),
    self: { node: '', script: '', pid: 1, uid: 0 },
    environment: {},
    hostname: 'cp1',
    version: '1.2.3',
    stop: new AbortController().signal,
    async startDaemon({ loaded }) {
      started.push(loaded.settings);
      return 0;
    },
    ...change,
    clock: createFakeClock(),
  };
}

/** Runs a line as a shell would split it; what it printed and its exit code. */
export async function run(line: string, change: Partial<CliIo> = {}) {
  const io = createFakeIo(change);
  const code = await runCli(line.split(' ').filter(Boolean), io);
  return { code, stdout: io.printed.join(''), stderr: io.complained.join(''), started: io.started };
}
