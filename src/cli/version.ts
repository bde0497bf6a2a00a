import type { Command } from './command.js';
import { exitCodes } from './exit-codes.js';

/** What `--version` prints, as kube-vip's users ask for it. */
export const version: Command = {
  words: ['version'],
  describe: 'print the version',
  options: {},
  async run(_args, io) {
    io.stdout.write(`${io.version}\n`);
    return exitCodes.ok;
  },
};
