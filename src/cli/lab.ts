import { writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Options } from 'yargs';
import type { ClusterOptions } from '../lab/cluster.js';
import type { Arguments, CliIo, Command } from './command.js';
import { refuseUsage } from './command.js';
import { exitCodes } from './exit-codes.js';

const options = {
  api: {
    type: 'string',
    requiresArg: true,
    describe:
      'embedded, or real: etcd and kube-apiserver from KUBEBUILDER_ASSETS [default: real if that is set, else embedded]',
  },
  keep: { type: 'boolean', describe: 'leave it up afterwards, and print what can be done with it' },
  'without-vipd': {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'start no vipd on this node (cp1, cp2 or cp3): a way to see the lab fail',
  },
  /** The lab calls itself anew with this one. */
  inner: { type: 'string', hidden: true },
} satisfies Record<string, Options>;

export const lab: Command = {
  words: ['lab'],
  describe: 'show the product at work on this machine, in network namespaces',
  options,
  async run(args, io) {
    const problems: string[] = [];
    const api = await apiOf(args, io, problems);
    const withoutVipd = listOf(args['without-vipd']);
    for (const node of withoutVipd) {
      if (!['cp1', 'cp2', 'cp3'].includes(node)) problems.push(`--without-vipd takes cp1, cp2 or cp3, not ${node}`);
    }
    if (problems.length > 0) return refuseUsage(io, problems);

    const inner = String(args.inner ?? '');
    const unshared = inner === 'unshared';
    const { runLab } = await import('../lab/lab.js');
    const { relaunch, userNamespaceRefusal, verdictDescriptor } = await import('../lab/relaunch.js');
    if (inner === '' && (io.self.uid !== 0 || args.keep === true)) {
      const refusal = io.self.uid === 0 ? undefined : await userNamespaceRefusal();
      if (refusal !== undefined) {
        io.stderr.write(`vipd: the lab needs root, or user namespaces, which this machine forbids (${refusal})\n`);
        return exitCodes.failed;
      }
      const mode = io.self.uid === 0 ? 'detached' : 'unshared';
      const again = [
        ...(api === 'embedded' ? ['--api', 'embedded'] : ['--api', 'real']),
        ...(args.keep === true ? ['--keep'] : []),
        ...withoutVipd.flatMap((node) => ['--without-vipd', node]),
      ];
      return relaunch({
        command: [io.self.node, io.self.script, 'lab', ...again, '--inner', mode],
        unshared: mode === 'unshared',
        detached: args.keep === true,
        stdout: io.stdout,
        stderr: io.stderr,
        stop: io.stop,
      });
    }

    const { stdout: output, clock, stop, self: program } = io;
    const onKept = (passed: boolean) => writeSync(verdictDescriptor, String(passed ? exitCodes.ok : exitCodes.failed));
    const ending = await runLab({
      ...{ program, clock, output, api, withoutVipd, unshared, stop },
      temporary: tmpdir(),
      onKept: args.keep === true ? onKept : undefined,
    });
    return ending === 'passed' ? exitCodes.ok : exitCodes.failed;
  },
};

/** The process that connects and asks inside one of the lab's namespaces; orders come on standard input. */
export const labAgent: Command = {
  words: ['lab-agent'],
  describe: false,
  options: {},
  async run(_args, io) {
    const { serveAgent } = await import('../lab/agent.js');
    await serveAgent(io.stdin, io.stdout, io.clock);
    return exitCodes.ok;
  },
};

/** One process of the lab's embedded Kubernetes API. */
export const labApi: Command = {
  words: ['lab-api'],
  describe: false,
  options: { file: { type: 'string', demandOption: true, requiresArg: true } },
  async run(args, io) {
    const { runApiProcess } = await import('../lab/embedded-api.js');
    await runApiProcess(String(args.file), io.clock, io.stop);
    return exitCodes.ok;
  },
};

/** Which Kubernetes API; adds to the problems when there is no such thing. */
async function apiOf(args: Arguments, { environment }: CliIo, problems: string[]): Promise<ClusterOptions['api']> {
  const assets = environment.KUBEBUILDER_ASSETS;
  const wanted = args.api ?? (assets === undefined || assets === '' ? 'embedded' : 'real');
  if (wanted === 'embedded') return 'embedded';
  if (wanted === 'real') {
    const { findRealServer } = await import('../lab/api/real-server.js');
    const programs = findRealServer(assets);
    if (programs !== undefined) return { programs };
    problems.push(
      '--api real needs etcd and kube-apiserver in the folder that KUBEBUILDER_ASSETS names; there are none',
    );
  } else {
    problems.push(`--api takes embedded or real, not ${wanted}`);
  }
  return 'embedded';
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
