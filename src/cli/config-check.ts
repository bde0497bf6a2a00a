import { loadSettings } from '../config/load.js';
import { formatCidr } from '../net/cidr.js';
import { type Command, refuseUsage, warn } from './command.js';
import { exitCodes } from './exit-codes.js';
import { settingsOptions, sourcesOf } from './settings-options.js';

export const configCheck: Command = {
  words: ['config', 'check'],
  describe: 'say everything that is wrong with file, environment and flags',
  options: settingsOptions,
  async run(args, io) {
    const loaded = await loadSettings(sourcesOf(args, io));
    if (!loaded.ok) return refuseUsage(io, loaded.problems);
    warn(io, loaded.warnings);
    const vips = loaded.settings.vips.map(
      (vip) => `${vip.name} ${[...vip.addresses.map(formatCidr), ...vip.dns.names].join(' ')}`,
    );
    io.stdout.write(`ok: node ${loaded.settings.node.name}; ${vips.join('; ')}\n`);
    return exitCodes.ok;
  },
};
