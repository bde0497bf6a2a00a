import type { StatusAnswer } from '../admin/client.js';
import { loadAdminSocket } from '../config/load.js';
import { millis, plus } from '../time/instant.js';
import type { DaemonStatus } from '../vip/status.js';
import { refuseNoAnswer } from './ask.js';
import { type CliIo, type Command, refuseUsage } from './command.js';
import { exitCodes } from './exit-codes.js';
import { socketOptions, sourcesOf } from './settings-options.js';
import { statusLines, statusText } from './status-text.js';

export const status: Command = {
  words: ['status'],
  describe: 'show who leads each VIP and why, and every backend',
  options: {
    json: { type: 'boolean', describe: 'print JSON' },
    watch: { type: 'boolean', describe: 'ask every second and show what changes, until interrupted' },
    ...socketOptions,
  },
  async run(args, io) {
    const socket = await loadAdminSocket(sourcesOf(args, io));
    if (!socket.ok) return refuseUsage(io, socket.problems);
    const { askStatus } = await import('../admin/client.js');
    const ask = () => askStatus(socket.path);
    const wantsJson = args.json === true;
    return args.watch === true ? watch(ask, wantsJson, io) : once(ask, wantsJson, io);
  },
};

type Ask = () => Promise<StatusAnswer>;

async function once(ask: Ask, wantsJson: boolean, io: CliIo): Promise<number> {
  const answer = await ask();
  if (!answer.ok) return refuseNoAnswer(io, answer);
  io.stdout.write(
    wantsJson ? `${JSON.stringify(answer.status, null, 2)}\n` : statusText(answer.status, io.clock.wall()),
  );
  return exitCodes.ok;
}

/** Shows until stopped: a page that is drawn anew on a terminal, else a line for every change. */
async function watch(ask: Ask, wantsJson: boolean, io: CliIo): Promise<number> {
  const draws = io.stdout.isTerminal && !wantsJson;
  let shown: ReadonlySet<string> = new Set();
  while (true) {
    const answer = await ask();
    if (io.stop.aborted) return exitCodes.ok;
    if (draws) {
      const page = answer.ok ? statusText(answer.status, io.clock.wall()) : `${answer.message}\n`;
      io.stdout.write(`\x1b[H\x1b[2J${page}`);
    } else {
      const lines = new Set(answer.ok ? watchLines(answer.status, wantsJson) : [answer.message]);
      for (const line of lines) {
        if (shown.has(line)) continue;
        io.stdout.write(wantsJson ? `${line}\n` : `${io.clock.wall().toISOString()} ${line}\n`);
      }
      shown = lines;
    }
    await pause(io);
    if (io.stop.aborted) return exitCodes.ok;
  }
}

function watchLines(now: DaemonStatus, wantsJson: boolean): string[] {
  return wantsJson ? [JSON.stringify(now)] : statusLines(now);
}

/** A second, or less when stopped. */
function pause({ clock, stop }: CliIo): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.at(plus(clock.now(), millis(1000)), done);
    stop.addEventListener('abort', done);
    function done() {
      timer[Symbol.dispose]();
      stop.removeEventListener('abort', done);
      resolve();
    }
  });
}
