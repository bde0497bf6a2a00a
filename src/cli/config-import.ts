import { createReadStream } from 'node:fs';
import type { SourceText } from '../import/found.js';
import type { ImportSources } from '../import/import.js';
import { type Command, refuseUsage } from './command.js';
import { exitCodes } from './exit-codes.js';

/** What can be imported, by flag. */
const programs = {
  keepalived: 'keepalived.conf',
  haproxy: 'haproxy.cfg',
  nginx: 'nginx.conf (its stream)',
  'kube-vip': 'a manifest of kube-vip',
} as const;
type Program = keyof typeof programs;

/** No such file is longer; a device can be. */
const mostBytes = 1024 * 1024;

export const configImport: Command = {
  words: ['config', 'import'],
  describe: "print a configuration file that says what other programs' files say",
  options: Object.fromEntries(
    Object.entries(programs).map(([flag, file]) => [
      flag,
      { type: 'string', requiresArg: true, describe: `The file to read: ${file}.` },
    ]),
  ),
  async run(args, io) {
    const sources: Record<Program, SourceText | undefined> = {
      keepalived: undefined,
      haproxy: undefined,
      nginx: undefined,
      'kube-vip': undefined,
    };
    const problems: string[] = [];
    for (const program of Object.keys(programs) as Program[]) {
      const file = args[program];
      if (Array.isArray(file)) problems.push(`--${program} is given ${file.length} times; name one file`);
      else if (typeof file === 'string') {
        const text = await readText(file);
        if (typeof text === 'string') sources[program] = { file, text };
        else problems.push(`${file}: the file ${text.problem} (--${program}); name one that can be`);
      }
    }
    if (problems.length === 0 && Object.values(sources).every((source) => source === undefined))
      problems.push(
        `no file is given; name one by ${Object.keys(programs)
          .map((flag) => `--${flag}`)
          .join(', ')}`,
      );
    if (problems.length > 0) return refuseUsage(io, problems);
    // Loaded only here: no other command reads these.
    const [{ importFiles }, { remarkText }] = await Promise.all([
      import('../import/import.js'),
      import('../import/found.js'),
    ]);
    const imported = importFiles(sources satisfies ImportSources);
    if (!imported.ok) return refuseUsage(io, imported.problems);
    for (const remark of imported.remarks) io.stderr.write(`vipd: ${remarkText(remark)}\n`);
    io.stdout.write(imported.yaml);
    return exitCodes.ok;
  },
};

async function readText(file: string): Promise<string | { readonly problem: string }> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > mostBytes) return { problem: 'is longer than 1 MiB, which no such file is, and is not read' };
      chunks.push(chunk);
    }
  } catch (error) {
    return { problem: `cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})` };
  }
  return Buffer.concat(chunks).toString('utf8');
}
