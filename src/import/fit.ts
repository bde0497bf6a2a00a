import { globalSettings, type Setting, vipSettings } from '../config/schema.js';
import type { Found, FoundSettings, Remarks } from './found.js';
import type { FoundLists, ImportedVip } from './vips.js';

/** Defaults of VRRP elections. */
const vrrpDefaults: Readonly<Record<string, unknown>> = {
  'election.vrrp.version': 3,
  'election.vrrp.priority': 100,
  'election.vrrp.advertInterval': '1s',
  'election.vrrp.preempt': true,
  'election.vrrp.preemptDelay': '0s',
};

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
  // Which elections this version has is said when the file is checked: the others are still what the file means.
  const setting = path === 'election.type' ? undefined : settingAt(path);
  const result = setting?.kind.schema.safeParse(value);
  if (result === undefined || result.success) return true;
  remarks.notCarried(place, [path], result.error.issues.map(({ message }) => message).join('; '));
  return false;
}

function isDefault(path: string, value: unknown): boolean {
  const fallback = settingAt(path)?.default ?? vrrpDefaults[path];
  return fallback !== undefined && JSON.stringify(value) === JSON.stringify(fallback);
}
