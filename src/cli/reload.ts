import { command } from './ask.js';
import type { Command } from './command.js';
import { socketOptions } from './settings-options.js';

export const reload: Command = {
  words: ['reload'],
  describe: 'have the running daemon read its file again and apply all that changed, or nothing',
  options: socketOptions,
  run: (args, io) => command(args, io, (client, path) => client.askReload(path), 'nothing has changed'),
};
