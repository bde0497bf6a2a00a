import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { removeNamespacesOf } from '../src/lab/leftovers.js';

/** One line of a benchmark's usage; with a value unless `isSwitch`. */
export interface Option {
  readonly describe: string;
  readonly isSwitch?: boolean;
}

export type Chosen = Readonly<Record<string, string | boolean | undefined>>;

/** What a benchmark found: whether the promise holds, and everything that was measured, for `--json`. */
export interface Verdict {
  readonly isKept: boolean;
  readonly figures: unknown;
}

/**
 * Runs a benchmark to its exit code: 0 when its promise holds, 1 when it does not or could not be measured, 2 for wrong usage.
 * @param measure gets an empty folder, and may leave things in it
 */
export async function runBenchmark(
  name: string,
  options: Readonly<Record<string, Option>>,
  measure: (chosen: Chosen, folder: string) => Promise<Verdict>,
): Promise<void> {
  const all: Readonly<Record<string, Option>> = {
    ...options,
    json: { describe: 'FILE: all figures, every round of them' },
    keep: { describe: 'leave the logs of all daemons, and say where', isSwitch: true },
    help: { describe: 'print this', isSwitch: true },
  };
  const chosen = choose(name, all);
  if (process.getuid?.() !== 0) return end(`${name}: making network namespaces needs root`, 77);
  const folder = await mkdtemp(join(tmpdir(), 'vipd-bench-'));
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, async () => {
      interrupted = true;
      await removeNamespacesOf(process.pid);
      await rm(folder, { recursive: true, force: true });
      process.exit(128 + constants.signals[signal]);
    });
  }
  try {
    const { isKept, figures } = await measure(chosen, folder);
    if (typeof chosen.json === 'string') await writeFile(chosen.json, `${JSON.stringify(figures, null, 2)}\n`);
    process.exitCode = isKept ? 0 : 1;
  } catch (error) {
    // What fails because everything under it was removed is no news.
    if (interrupted) return;
    process.exitCode = 1;
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    if (chosen.keep === true) console.error(`logs: ${folder}`);
    else if (!interrupted) await rm(folder, { recursive: true, force: true });
  }
}

/** A whole number of at least 1. */
export function countOf(chosen: Chosen, option: string, fallback: number): number {
  const text = chosen[option];
  if (text === undefined) return fallback;
  if (typeof text === 'string' && /^[1-9]\d{0,5}$/.test(text)) return Number(text);
  return end(`--${option} takes a whole number of at least 1, not ${text}`, 2);
}

/** Some of the known words, separated by commas. */
export function wordsOf<Word extends string>(chosen: Chosen, option: string, known: readonly Word[]): readonly Word[] {
  const text = chosen[option];
  if (typeof text !== 'string') return known;
  const words = text.split(',');
  const stranger = words.find((word) => !(known as readonly string[]).includes(word));
  if (stranger !== undefined) return end(`--${option} takes ${known.join(', ')}, not ${stranger}`, 2);
  return known.filter((word) => words.includes(word));
}

function choose(name: string, options: Readonly<Record<string, Option>>): Chosen {
  const types = Object.entries(options).map(
    ([option, { isSwitch }]) => [option, { type: isSwitch === true ? 'boolean' : 'string' }] as const,
  );
  try {
    const { values } = parseArgs({ options: Object.fromEntries(types) });
    if (values.help !== true) return values as Chosen;
  } catch (error) {
    return end(`${name}: ${error instanceof Error ? error.message : String(error)}`, 2);
  }
  console.log(`npm run ${name} -- [options]`);
  for (const [option, { describe }] of Object.entries(options)) console.log(`  --${option.padEnd(10)}  ${describe}`);
  process.exit(0);
}

function end(sentence: string, code: number): never {
  console.error(sentence);
  process.exit(code);
}
