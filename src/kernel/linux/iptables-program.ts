import { execFile } from 'node:child_process';
import type { Family } from '../../net/ip.js';
import { KernelError } from '../errors.js';

/** The two kinds that a host may have beside each other; what the other one's `iptables` is differs by host. */
export type IptablesName = 'iptables-legacy' | 'iptables';

/** The iptables programs of one kind. They throw KernelErrors: `ENOENT` is a program that is not installed. */
export interface IptablesProgram {
  readonly name: IptablesName;
  /** All tables that are in use (iptables-save). */
  save(family: Family): Promise<string>;
  /** Carries out `iptables-restore --noflush`, waiting some seconds for whoever else changes rules. */
  restore(family: Family, script: string): Promise<void>;
}

const lockPatience = 5;
const patience = 10_000;
const savedAtMost = 64 * 1024 * 1024;

export function createIptablesProgram(name: IptablesName): IptablesProgram {
  const command = (family: Family, what: 'save' | 'restore') => `${commandOf(name, family)}-${what}`;
  return {
    name,
    save: (family) => run(command(family, 'save'), []),
    async restore(family, script) {
      await run(command(family, 'restore'), ['--noflush', `--wait=${lockPatience}`], script);
    },
  };
}

/** What an operator calls. */
export function commandOf(name: IptablesName, family: Family): string {
  return family === 6 ? name.replace('ip', 'ip6') : name;
}

function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: patience, maxBuffer: savedAtMost }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const { code, killed } = error;
      const said = stderr.trim().replace(/\s+/g, ' ').slice(0, 300);
      const why = killed ? 'ETIMEDOUT' : typeof code === 'string' ? code : said || `exit status ${code}`;
      reject(new KernelError(command, why, { cause: error }));
    });
    // Whoever has ended does not read; why is in its exit status.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
