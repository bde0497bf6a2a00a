import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type Loaded, loadSettings, type Sources } from '../../../src/config/load.js';
import type { Settings } from '../../../src/config/settings.js';

const folder = mkdtempSync(join(tmpdir(), 'vipd-config-'));
export const fileName = join(folder, 'vipd.yaml');
after(() => rmSync(folder, { recursive: true }));

/** Loads settings from the text of a file, flags and variables, on a host called cp1. */
export function load(text: string | undefined, given: Partial<Sources> = {}): Promise<Loaded> {
  if (text !== undefined) writeFileSync(fileName, text);
  const flags = { ...(text === undefined ? {} : { config: fileName }), ...given.flags };
  return loadSettings({ hostname: 'cp1', environment: {}, ...given, flags });
}

export async function settingsOf(text: string | undefined, given: Partial<Sources> = {}): Promise<Settings> {
  const loaded = await load(text, given);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.settings;
}

/** The problems, with the name of the file left out of each line. */
export async function problemsOf(text: string | undefined, given: Partial<Sources> = {}): Promise<readonly string[]> {
  const loaded = await load(text, given);
  return loaded.ok ? [] : loaded.problems.map((line) => line.replace(`${fileName}:`, ''));
}
