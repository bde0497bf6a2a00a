import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execute } from '../../src/lab/execute.js';

const root = join(import.meta.dirname, '../../..');

/** The image as image/build.mjs makes it from the sources as they are; one that was made of the same before is taken again. */
export async function imageArchive(): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vipd/image/tested');
  const archive = join(folder, `${await hashOf([...(await recipe()), ...contents])}.tar`);
  if (existsSync(archive)) return archive;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await execute(process.execPath, [join(root, 'image/build.mjs'), '--output', archive]);
  return archive;
}

// dist/vipd.js has the hashes of the files in dist/vipd/ in its imports.
const contents = ['package.json', 'package-lock.json', 'dist/vipd.js', 'native/build/vipd.node'];

async function recipe(): Promise<readonly string[]> {
  const entries = await readdir(join(root, 'image'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\n`).update(await readFile(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}
