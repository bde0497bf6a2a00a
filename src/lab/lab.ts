import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../time/clock.js';
import type { Program } from './client.js';
import { type ClusterOptions, createCluster } from './cluster.js';
import { interruptibleClock } from './interruptible-clock.js';
import { playground } from './playground.js';
import type { Output } from './report.js';
import { tellStory } from './story.js';

export interface LabOptions {
  readonly program: Program;
  readonly clock: Clock;
  readonly output: Output;
  readonly api: ClusterOptions['api'];
  readonly withoutVipd: readonly string[];
  /** Where a folder for configurations and logs is made. */
  readonly temporary: string;
  /** Whether this process is root of a user namespace of its own. */
  readonly unshared: boolean;
  readonly stop: AbortSignal;
  /** Called with the story's end when the lab is to stay up until it is stopped. */
  readonly onKept: ((passed: boolean) => void) | undefined;
}

export type LabEnding = 'passed' | 'failed' | 'interrupted';

/** Builds the network, tells the story, and removes everything, also when it is stopped half-way. */
export async function runLab(options: LabOptions): Promise<LabEnding> {
  const { program, output, api, withoutVipd, stop, onKept, unshared } = options;
  const clock = interruptibleClock(options.clock, stop);
  const stopped = new Promise<'interrupted'>((resolve) => {
    if (stop.aborted) resolve('interrupted');
    stop.addEventListener('abort', () => resolve('interrupted'));
  });
  const folder = await mkdtemp(join(options.temporary, 'vipd-lab-'));
  let ending: LabEnding = 'failed';
  try {
    await using cluster = await createCluster({ program, clock, name: 'lab', folder, api, size: 3 });
    // What the story says once it is stopped is of no interest.
    const told = { ...output, write: (text: string) => stop.aborted || output.write(text) };
    const story = tellStory(cluster, { program, clock, output: told, withoutVipd });
    ending = await Promise.race([story.then((passed) => (passed ? 'passed' : 'failed')), stopped]);
    if (onKept !== undefined && ending !== 'interrupted') {
      output.write('\nThe lab stays up:\n');
      for (const line of playground(cluster, program, unshared)) output.write(`  ${line}\n`);
      onKept(ending === 'passed');
      await stopped;
    }
  } catch (error) {
    if (!stop.aborted) throw error;
    ending = 'interrupted';
  } finally {
    if (ending === 'interrupted') output.write('\nInterrupted; all of it is removed.\n');
    if (ending === 'failed' && onKept === undefined) output.write(`\nThe logs are in ${folder}\n`);
    else await rm(folder, { recursive: true, force: true });
  }
  return ending;
}
