import { loadSettings } from '../config/load.js';
import { type Command, refuseUsage } from './command.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

/** What a daemon gives the process that is to go on in its place: the path of the socket where they meet. */
const heirFlag = 'heir-to';

/** What to start such a process with. @param argv this process's own, which may be such a one itself */
export function asHeir(argv: readonly string[], path: string): readonly string[] {
  const at = argv.indexOf(`--${heirFlag}`);
  const own = at < 0 ? argv : [...argv.slice(0, at), ...argv.slice(at + 2)];
  return [...own, `--${heirFlag}`, path];
}

export const start: Command = {
  words: ['start'],
  aliases: ['manager'],
  describe: 'run the daemon',
  options: { ...settingsOptions, [heirFlag]: { type: 'string', requiresArg: true, hidden: true } },
  async run(args, io) {
    const reread = () => loadSettings(sourcesOf(args, io));
    const loaded = await reread();
    const heirTo = args[heirFlag];
    return loaded.ok
      ? io.startDaemon({ loaded, reread }, typeof heirTo === 'string' ? heirTo : undefined)
      : refuseUsage(io, loaded.problems);
  },
};
