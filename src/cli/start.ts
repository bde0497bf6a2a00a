import { loadSettings } from '../config/load.js';
import { type Command, refuseUsage } from './command.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

export const start: Command = {
  words: ['start'],
  aliases: ['manager'],
  describe: 'run the daemon',
  options: settingsOptions,
  async run(args, io) {
    const loaded = await loadSettings(sourcesOf(args, io));
    return loaded.ok ? io.startDaemon(loaded.settings) : refuseUsage(io, loaded.problems);
  },
};
