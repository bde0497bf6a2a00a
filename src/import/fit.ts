import { globalSettings, type Setting, vipSettings } from '../config/schema.js';
import type { Found, FoundSettings, Remarks } from './found.js';
import type { FoundLists, ImportedVip } from './vips.js';

/** What peers must agree on is there to be seen, whether it is the default or not. */
const alwaysSaid: ReadonlySet<string> = new Set(['election.vrrp.virtualRouterId']);

/** Takes out what vipd would refuse, with a remark that says why, and what is the default anyway. */
export function fit(vip: ImportedVip, remarks: Remarks): ImportedVip {
  const settings = fitSettings(vip.settings, remarks);
  const lists: FoundLists = new Map();
  for (const [path, items] of vip.lists) {
    const fitting = items.filter((item) => isFit(path, [item.value], item, remarks));
    if (
      fitting.length > 0 &&
      !isDefault(
        path,
        fitting.map(({ value }) => value),
      )
    )
      lists.set(path, fitting);
  }
  return { ...vip, settings, lists };
}

/** The same for settings of the whole daemon, or of a VIP without its lists. */
export function fitSettings(settings: FoundSettings, remarks: Remarks): FoundSettings {
  const isKept = (path: string, found: Found<unknown>) =>
    isFit(path, found.value, found, remarks) && !isDefault(path, found.value);
  return new Map([...settings].filter(([path, found]) => isKept(path, found)));
}

function settingAt(path: string): Setting<unknown> | undefined {
  const table: Readonly<Record<string, Setting<unknown>>> = { ...globalSettings, ...vipSettings };
  return Object.hasOwn(table, path) ? table[path] : undefined;
}

function isFit(path: string, value: unknown, { place }: Found<unknown>, remarks: Remarks): boolean {
  const setting = settingAt(path);
  const result = setting?.kind.schema.safeParse(value);
  if (result === undefined || result.success) return true;
  remarks.notCarried(place, [path], result.error.issues.map(({ message }) => message).join('; '));
  return false;
}

function isDefault(path: string, value: unknown): boolean {
  const fallback = settingAt(path)?.default;
  return !alwaysSaid.has(path) && fallback !== undefined && JSON.stringify(value) === JSON.stringify(fallback);
}
