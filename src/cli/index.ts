import type { Argv } from 'yargs';
import { didYouMean } from '../config/did-you-mean.js';
import { Misconfigured } from '../config/misconfigured.js';
import { MissingPrivilege } from '../kernel/missing-privilege.js';
import { backendDrain, backendList, backendResume } from './backend.js';
import { type Arguments, type CliIo, type Command, refuseUsage } from './command.js';
import { configCheck } from './config-check.js';
import { configImport } from './config-import.js';
import { configPrint } from './config-print.js';
import { exitCodes } from './exit-codes.js';
import { lab, labAgent, labApi } from './lab.js';
import { manifestDaemonSet, manifestKubeadm, manifestPod, manifestRbac, manifestSystemd } from './manifest.js';
import { plainStart } from './plain-start.js';
import { reload } from './reload.js';
import { start } from './start.js';
import { status } from './status.js';
import { upgrade } from './upgrade.js';
import { version } from './version.js';

/** Every command there is: a new one is a file beside this one and a word in this list. */
const commands: readonly Command[] = [
  start,
  status,
  backendList,
  backendDrain,
  backendResume,
  reload,
  upgrade,
  configCheck,
  configPrint,
  configImport,
  manifestPod,
  manifestDaemonSet,
  manifestRbac,
  manifestKubeadm,
  manifestSystemd,
  version,
  lab,
  labAgent,
  labApi,
];

const sections: Readonly<Record<string, string>> = {
  backend: 'list backends, take them out of service and back',
  config: 'check, print or import the configuration',
  manifest: 'print what to install on Kubernetes nodes or with systemd',
};

/** Runs `vipd ARGV…` and returns its exit code; nothing is thrown. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const parsed = await parse(argv, io);
  switch (parsed.kind) {
    case 'text':
      io.stdout.write(`${parsed.text}\n`);
      return exitCodes.ok;
    case 'misused':
      return refuseUsage(io, [parsed.problem]);
    case 'command':
      try {
        return await parsed.command.run(parsed.args, io);
      } catch (error) {
        return refuse(error, parsed.args, io);
      }
  }
}

function operandText({ operand }: Command): string {
  return operand === undefined ? '' : ` <${operand.name}>`;
}

type Parsed =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'misused'; readonly problem: string }
  | { readonly kind: 'command'; readonly command: Command; readonly args: Arguments };

async function parse(argv: readonly string[], io: CliIo): Promise<Parsed> {
  const plain = plainStart(argv);
  if (plain !== undefined) return { kind: 'command', command: start, args: plain };
  const { default: yargs } = await import('yargs');
  let chosen: { command: Command; args: Arguments } | undefined;
  let misuse: string | undefined;
  let text = '';
  const register = (parser: Argv, name: string, command: Command) =>
    parser.command(
      [name + operandText(command), ...(command.aliases ?? [])],
      // yargs hides what has `false` here; its types know that only of other overloads.
      command.describe as string,
      (inner) => {
        const { operand } = command;
        if (operand !== undefined) inner.positional(operand.name, { type: 'string', describe: operand.describe });
        return inner.options(command.options);
      },
      (args) => {
        chosen = { command, args };
      },
    );
  let parser = yargs([])
    .scriptName('vipd')
    .usage('vipd: one virtual IP that never goes away, and TCP balanced behind it')
    .locale('en')
    .exitProcess(false)
    .version(io.version)
    .wrap(100)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .fail((message, error) => {
      misuse = message ?? error?.message;
    });
  for (const section of new Set(commands.map(({ words }) => words[0]))) {
    const inSection = commands.filter(({ words }) => words[0] === section);
    const [only] = inSection;
    parser =
      only !== undefined && only.words.length === 1
        ? register(parser, section, only)
        : parser.command(section, sections[section] ?? '', (inner) =>
            inSection.reduce((all, command) => register(all, command.words.slice(1).join(' '), command), inner),
          );
  }
  const args = await parser.parseAsync([...argv], {}, (_error, _args, output) => {
    text = output;
  });
  if (misuse !== undefined) return { kind: 'misused', problem: `${misuse}; see vipd --help` };
  if (text !== '') return { kind: 'text', text };
  const problem = misuseOf(args, chosen?.command);
  if (problem !== undefined || chosen === undefined) return { kind: 'misused', problem: problem ?? '' };
  return { kind: 'command', ...chosen };
}

/** What nobody asked for: a command that is none, a flag that the command does not have, a word too many. */
function misuseOf(
  args: Arguments & { readonly _: readonly (string | number)[] },
  command: Command | undefined,
): string | undefined {
  const words = args._.map(String);
  if (command === undefined) {
    const names = commands
      .filter(({ describe }) => describe !== false)
      .flatMap(({ words: own, aliases = [] }) => [own.join(' '), ...aliases]);
    if (words.length === 0) return `no command is given; write one of ${names.join(', ')}, or see vipd --help`;
    const inSection = names.filter((name) => name.startsWith(`${words[0]} `));
    if (words.length === 1 && inSection.length > 0)
      return `${words[0]} alone does nothing; write ${inSection.join(' or ')}`;
    // What follows a command of two words may be what it is to work on.
    const guess = didYouMean(words.join(' '), names) || didYouMean(words.slice(0, 2).join(' '), names);
    return `there is no command ${JSON.stringify(words.join(' '))}${guess || '; see vipd --help'}`;
  }
  const known = Object.keys(command.options);
  const notFlags = ['_', '$0', command.operand?.name];
  const unknown = Object.keys(args).find((key) => !notFlags.includes(key) && !known.includes(key));
  const name = command.words.join(' ');
  if (unknown !== undefined) {
    const dashes = unknown.length === 1 ? '-' : '--';
    const mend = didYouMean(unknown, known).replace('mean ', 'mean --') || `; see vipd ${name} --help`;
    return `vipd ${name} has no flag ${dashes}${unknown}${mend}`;
  }
  const extra = words[command.words.length];
  return extra === undefined ? undefined : `vipd ${name} takes no ${JSON.stringify(extra)}; see vipd ${name} --help`;
}

function refuse(error: unknown, args: Arguments, io: CliIo): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const isDebugging = (args['log-level'] ?? io.environment.VIPD_LOG_LEVEL) === 'debug';
  io.stderr.write(`vipd: ${isDebugging && stack !== undefined ? stack : message}\n`);
  if (error instanceof MissingPrivilege) return exitCodes.missingPrivilege;
  return error instanceof Misconfigured ? exitCodes.usage : exitCodes.failed;
}
