import { loadSettings } from '../config/load.js';
import { type Command, refuseUsage } from './command.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

export const start: Command = {
  words: ['start'],
  aliases: ['manager'],
  describe: 'run the daemon',
  options: settingsOptions,
  async run(args, io) {
    const reread = () => loadSettings(sourcesOf(args, io));
    const loaded = await reread();
    return loaded.ok ? io.startDaemon({ loaded, reread }) : refuseUsage(io, loaded.problems);
  },
};
