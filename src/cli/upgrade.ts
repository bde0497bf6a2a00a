import { command } from './ask.js';
import type { Command } from './command.js';
import { socketOptions } from './settings-options.js';

export const upgrade: Command = {
  words: ['upgrade'],
  describe:
    'have a new process of the installed version go on in place of the running daemon; what is open has 10 minutes to end',
  options: socketOptions,
  run: (args, io) => command(args, io, (client, path) => client.askUpgrade(path), 'nothing has changed'),
};
