import type { Options } from 'yargs';
import { kubeVipFlags } from '../config/kube-vip/carry.js';
import type { Sources } from '../config/load.js';
import { configFlag, environmentName, globalSettings, type Setting, vipSettings } from '../config/schema.js';
import type { Arguments, CliIo } from './command.js';

const configOption = option('The configuration file (YAML or JSON).');

/** `--config`, a flag for every setting, and those of kube-vip, which help does not list. */
export const settingsOptions: Readonly<Record<string, Options>> = {
  ...Object.fromEntries(
    [...kubeVipFlags].map(([flag, { isSwitch }]): [string, Options] => [
      flag,
      isSwitch ? { type: 'boolean', hidden: true } : { type: 'string', requiresArg: true, hidden: true },
    ]),
  ),
  [configFlag]: configOption,
  ...optionsOf(Object.values(globalSettings), 'Node:'),
  ...optionsOf(Object.values(vipSettings), 'The first VIP:'),
};

/** `--config` and `--admin-socket`: enough to find a running daemon. */
export const socketOptions: Readonly<Record<string, Options>> = {
  [configFlag]: configOption,
  ...optionsOf([globalSettings['admin.socket']]),
};

/** What settings are read from when a command was called with `args`. */
export function sourcesOf(args: Arguments, io: CliIo): Sources {
  const flags: Record<string, string | string[]> = {};
  for (const name of Object.keys(settingsOptions)) {
    const given = args[name];
    if (Array.isArray(given)) flags[name] = given.map(String);
    else if (given !== undefined) flags[name] = String(given);
  }
  return { flags, environment: io.environment, hostname: io.hostname };
}

function optionsOf(settings: readonly Setting<unknown>[], group?: string): Record<string, Options> {
  return Object.fromEntries(
    settings.map(({ flag, doc, defaultWords, default: value }) => {
      const fallback = defaultWords ?? String(value);
      return [flag, option(`${doc.replaceAll('`', '')} [${environmentName(flag)}; default: ${fallback}]`, group)];
    }),
  );
}

function option(describe: string, group?: string): Options {
  return { type: 'string', requiresArg: true, describe, ...(group === undefined ? {} : { group }) };
}
