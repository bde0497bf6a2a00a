import { findVips } from '../admin/find-backends.js';
import { loadAdminSocket } from '../config/load.js';
import { Misconfigured } from '../config/misconfigured.js';
import { command, refuseNoAnswer } from './ask.js';
import { type Arguments, type Command, refuseUsage } from './command.js';
import { exitCodes } from './exit-codes.js';
import { socketOptions, sourcesOf } from './settings-options.js';
import { backendsText, clean } from './status-text.js';

const vipOption = { type: 'string', requiresArg: true, describe: 'only of the VIP of this name' } as const;

export const backendList: Command = {
  words: ['backend', 'list'],
  describe: 'show the backends of every VIP as this node has them',
  options: { json: { type: 'boolean', describe: 'print JSON' }, vip: vipOption, ...socketOptions },
  async run(args, io) {
    const vip = vipOf(args);
    const socket = await loadAdminSocket(sourcesOf(args, io));
    if (!socket.ok) return refuseUsage(io, socket.problems);
    const { askStatus } = await import('../admin/client.js');
    const answer = await askStatus(socket.path);
    if (!answer.ok) return refuseNoAnswer(io, answer);
    const found = findVips(answer.status, vip);
    if (!found.ok) {
      for (const problem of found.problems) io.stderr.write(`vipd: ${clean(problem)}\n`);
      return exitCodes.failed;
    }
    const backends = found.vips.flatMap(({ name, loadBalancer }) =>
      loadBalancer.backends.map((backend) => ({ vip: name, ...backend })),
    );
    io.stdout.write(
      args.json === true ? `${JSON.stringify(backends, null, 2)}\n` : backendsText(found.vips, io.clock.wall()),
    );
    return exitCodes.ok;
  },
};

export const backendDrain: Command = drainCommand(
  'drain',
  true,
  'give a backend no new connections from this node, and leave it those that it has',
);

export const backendResume: Command = drainCommand('resume', false, 'give a drained backend new connections again');

function drainCommand(word: string, draining: boolean, describe: string): Command {
  return {
    words: ['backend', word],
    describe,
    operand: { name: 'backend', describe: 'its name, as vipd backend list shows it' },
    options: {
      vip: { ...vipOption, describe: 'only in the VIP of this name [default: in every one]' },
      ...socketOptions,
    },
    async run(args, io) {
      const request = { backend: String(args.backend), vip: vipOf(args), draining };
      const soAlready = `${request.backend}: ${draining ? 'draining already' : 'not draining'}`;
      return command(args, io, (client, path) => client.askDraining(path, request), soAlready);
    },
  };
}

/** Throws Misconfigured when it is given twice. */
function vipOf({ vip }: Arguments): string | undefined {
  if (Array.isArray(vip)) throw new Misconfigured(`--vip is given ${vip.length} times; name one VIP, or leave it out`);
  return vip === undefined ? undefined : String(vip);
}
