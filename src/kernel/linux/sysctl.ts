import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { KernelError } from '../errors.js';
import type { SysctlChange, SysctlMemory, Sysctls } from '../ports.js';

/**
 * Where the kernel's settings are. Those below `net/` are of the network namespace of whoever reads the file, so a container in the host's
 * network, which sees /proc/sys read-only, may be given the host's `net` at another place.
 */
export function sysctlFolder(mounted = '/host/proc/sys'): string {
  return existsSync(join(mounted, 'net/ipv4')) ? mounted : '/proc/sys';
}

/** The kernel settings below `folder`. */
export function createSysctls(folder = sysctlFolder()): Sysctls {
  return {
    async read(name) {
      const text = await absentOr(`read ${name}`, readFile(join(folder, name), 'utf8'));
      return text?.trim();
    },
    async write(name, value) {
      try {
        await writeFile(join(folder, name), `${value}\n`, { flag: 'r+' });
      } catch (error) {
        throw refusal(`set ${name} to ${value}`, error);
      }
    },
    async list(name) {
      return (await absentOr(`list ${name}`, readdir(join(folder, name)))) ?? [];
    },
  };
}

/** Keeps the changes in a file, best below /run. What cannot be read there counts as nothing; saving throws KernelError. */
export function createSysctlMemory(file: string): SysctlMemory {
  return {
    async load() {
      try {
        const changes: unknown = JSON.parse(await readFile(file, 'utf8'));
        return Array.isArray(changes) ? changes.filter(isChange) : [];
      } catch {
        return [];
      }
    },
    async save(changes) {
      try {
        if (changes.length === 0) return await rm(file, { force: true });
        await mkdir(dirname(file), { recursive: true });
        // Whoever kills the daemon here leaves the old file or the new one, never half of one.
        await writeFile(`${file}.new`, JSON.stringify(changes), { mode: 0o600 });
        await rename(`${file}.new`, file);
      } catch (error) {
        throw refusal(`save ${file}`, error);
      }
    },
  };
}

/** Names lead nowhere else than into `net/`. */
function isChange(entry: unknown): entry is SysctlChange {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, before, value } = entry as Record<keyof SysctlChange, unknown>;
  const isText = (text: unknown) => typeof text === 'string' && /^[\w.-]+$/.test(text);
  const isName = typeof name === 'string' && /^net(\/[\w.@:-]+)+$/.test(name) && !name.split('/').includes('..');
  return isName && isText(before) && isText(value);
}

async function absentOr<T>(operation: string, result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const refused = refusal(operation, error);
    if (refused.code === 'ENOENT') return undefined;
    throw refused;
  }
}

function refusal(operation: string, error: unknown): KernelError {
  const { code } = error as { readonly code?: unknown };
  return new KernelError(operation, typeof code === 'string' ? code : 'EIO', { cause: error });
}
