import type { Answered, NoAnswer } from '../admin/client.js';
import { loadAdminSocket } from '../config/load.js';
import { type Arguments, type CliIo, refuseUsage } from './command.js';
import { exitCodes } from './exit-codes.js';
import { sourcesOf } from './settings-options.js';
import { clean } from './status-text.js';

type Client = typeof import('../admin/client.js');

/** Asks the running daemon to do something and prints what changed, or why nothing did; returns the exit code. */
export async function command(
  args: Arguments,
  io: CliIo,
  ask: (client: Client, socketPath: string) => Promise<Answered>,
  nothingChanged: string,
): Promise<number> {
  const socket = await loadAdminSocket(sourcesOf(args, io));
  if (!socket.ok) return refuseUsage(io, socket.problems);
  const answered = await ask(await import('../admin/client.js'), socket.path);
  if (!answered.ok) return refuseNoAnswer(io, answered);
  const { answer } = answered;
  if (answer.ok) {
    for (const line of answer.changes.length > 0 ? answer.changes : [nothingChanged]) {
      io.stdout.write(`${clean(line)}\n`);
    }
    return exitCodes.ok;
  }
  for (const problem of answer.problems) io.stderr.write(`vipd: ${clean(problem)}\n`);
  return answer.refusal === 'invalid' ? exitCodes.usage : exitCodes.failed;
}

/** Prints why there is no answer; returns the exit code. */
export function refuseNoAnswer(io: CliIo, { refusal, message }: NoAnswer): number {
  io.stderr.write(`vipd: ${clean(message)}\n`);
  switch (refusal) {
    case 'not-running':
      return exitCodes.notRunning;
    case 'forbidden':
      return exitCodes.missingPrivilege;
    case 'no-answer':
      return exitCodes.failed;
  }
}
