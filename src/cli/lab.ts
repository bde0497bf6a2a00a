import type { Readable, Writable } from 'node:stream';
import type { CommandModule } from 'yargs';
import { serveAgent } from '../lab/agent.js';
import type { Clock } from '../time/clock.js';

/** What the lab needs of the process it runs in. */
export interface LabContext {
  readonly clock: Clock;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

export function labCommand(context: LabContext): CommandModule {
  return {
    command: 'lab',
    describe: 'the product on one machine',
    builder: (yargs) =>
      yargs.command('agent', false, {}, () => serveAgent(context.stdin, context.stdout, context.clock)),
    handler: () => {},
  };
}
