import { loadSettings } from '../config/load.js';
import { type Command, refuseUsage, warn } from './command.js';
import { exitCodes } from './exit-codes.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

export const configPrint: Command = {
  words: ['config', 'print'],
  describe: 'print the settings in force, each with where it comes from',
  options: settingsOptions,
  async run(args, io) {
    const loaded = await loadSettings(sourcesOf(args, io));
    if (!loaded.ok) return refuseUsage(io, loaded.problems);
    warn(io, loaded.warnings);
    const { printSettings } = await import('../config/print.js');
    io.stdout.write(printSettings(loaded.effective));
    return exitCodes.ok;
  },
};
