import type { Found, Remarks } from './found.js';
import { type CommandNote, importCommand } from './keepalived-commands.js';
import { instanceReasons, leaveOut } from './keepalived-reasons.js';
import type { Statement } from './statements.js';
import { durationText, freeName, nearestDnsLabel, wholeNumber } from './words.js';

/** As the file of vipd has it; what is left out has its default. */
export interface ImportedScript {
  readonly name: string;
  readonly command: string;
  readonly interval?: string;
  readonly timeout?: string;
  readonly rise?: number;
  readonly fall?: number;
  readonly weight?: number;
  readonly reverse?: boolean;
}

export interface ImportedInterface {
  readonly name: string;
  readonly weight?: number;
  readonly reverse?: boolean;
}

/** `notes` are for whoever carries it over. */
export interface FoundScript extends Found<ImportedScript> {
  readonly notes: readonly CommandNote[];
}

/** What an instance tracks. */
export interface Tracked {
  readonly scripts: FoundScript[];
  readonly interfaces: Found<ImportedInterface>[];
}

interface Weight {
  readonly weight?: number;
  readonly reverse?: boolean;
}

/** Scripts by the names that `track_script` calls them. */
export type Scripts = ReadonlyMap<string, FoundScript>;

/** Reads every `vrrp_script` (vrrp_parser.c); `hasUser` is whether the file names a user for all of them. */
export function readScripts(statements: readonly Statement[], hasUser: boolean, remarks: Remarks): Scripts {
  const scripts = new Map<string, FoundScript>();
  const taken = new Set<string>();
  for (const statement of statements) {
    const name = statement.words[1] ?? '';
    const script = readScript(statement, hasUser, remarks);
    if (script === undefined) continue;
    if (scripts.has(name)) remarks.notCarried(statement.place, statement.words, 'another script has the same name');
    else scripts.set(name, { ...script, value: { ...script.value, name: freeName(name, 'script', taken) } });
  }
  return scripts;
}

function readScript(
  { place, words, block }: Statement,
  hasUserForAll: boolean,
  remarks: Remarks,
): FoundScript | undefined {
  let script: ImportedScript = { name: nearestDnsLabel(words[1] ?? ''), command: '' };
  let line: Statement | undefined;
  let hasUser = hasUserForAll;
  for (const inner of block ?? []) {
    const [keyword, value] = inner.words;
    const put = (part: Partial<ImportedScript> | undefined, otherwise: string): void => {
      if (part === undefined) remarks.notCarried(inner.place, inner.words, otherwise);
      else script = { ...script, ...part };
    };
    switch (keyword) {
      case 'script':
        line = inner;
        hasUser ||= inner.words.length > 2;
        if (inner.words.length > 2) noteUser(inner, 2, remarks);
        break;
      case 'interval':
      case 'timeout':
        put(seconds(keyword, value), 'it is not a number of seconds from 0.1 to 86400');
        break;
      case 'rise':
      case 'fall': {
        const times = wholeNumber(value, 1, 100);
        put(times === undefined ? undefined : { [keyword]: times }, 'it is not a whole number from 1 to 100');
        break;
      }
      case 'weight':
        put(readWeight(inner.words.slice(1)), 'it is not a whole number from -253 to 253');
        break;
      case 'user':
        hasUser = true;
        noteUser(inner, 0, remarks);
        break;
      case 'init_fail':
        remarks.notCarried(inner.place, inner.words, 'a script counts for nothing before it has ended once');
        break;
      default:
        leaveOut(inner, instanceReasons, remarks);
    }
  }
  if (line !== undefined && (line.words[1] ?? '') !== '') {
    const { command, notes } = importCommand(line.place, line.words, hasUser);
    return { value: { ...script, command }, place, notes };
  }
  remarks.notCarried(place, words, 'it has no script');
  return undefined;
}

/** Reads `track_script` or `track_interface`. */
export function readTracked({ words, block }: Statement, scripts: Scripts, into: Tracked, remarks: Remarks): void {
  for (const inner of block ?? []) {
    const [name = '', option, ...rest] = inner.words;
    const weight = option === undefined ? {} : option === 'weight' ? readWeight(rest) : undefined;
    if (weight === undefined) {
      remarks.notCarried(inner.place, inner.words, 'after the name comes `weight` and a whole number from -253 to 253');
      continue;
    }
    const twice = 'keepalived itself ignores the second of a name';
    if (words[0] === 'track_interface' && into.interfaces.some(({ value }) => value.name === name))
      remarks.notCarried(inner.place, inner.words, twice);
    else if (words[0] === 'track_interface') into.interfaces.push({ value: { name, ...weight }, place: inner.place });
    else {
      const script = scripts.get(name);
      if (script === undefined) remarks.notCarried(inner.place, inner.words, 'no vrrp_script has this name');
      else if (into.scripts.some(({ place }) => place === script.place))
        remarks.notCarried(inner.place, inner.words, twice);
      else into.scripts.push({ ...script, value: { ...script.value, ...weight } });
    }
  }
}

/** keepalived itself does not run what nobody tracks. */
export function noteUntracked(scripts: Scripts, tracked: readonly Tracked[], remarks: Remarks): void {
  for (const [name, { place }] of scripts) {
    if (tracked.some((by) => by.scripts.some((script) => script.place === place))) continue;
    remarks.notCarried(place, ['vrrp_script', name], 'no vrrp_instance has it in track_script');
  }
}

/** `-2`, `-2 reverse`; 0 is the default. */
function readWeight([value, turn]: readonly string[]): Weight | undefined {
  const size = wholeNumber(value?.replace(/^[-+]/, ''), 0, 253);
  if (size === undefined || !['reverse', 'noreverse', undefined].includes(turn)) return undefined;
  const weight = value?.startsWith('-') === true ? -size : size;
  return { weight, ...(turn === 'reverse' ? { reverse: true } : {}) };
}

function seconds(key: 'interval' | 'timeout', text: string | undefined): Partial<ImportedScript> | undefined {
  if (text === undefined || !/^\d{1,5}(\.\d{1,6})?$/.test(text)) return undefined;
  const millis = Math.round(Number(text) * 1000);
  return millis < 100 || millis > 86_400_000 ? undefined : { [key]: durationText(millis) };
}

/** The command of `notify_master "/path x"` and its like. */
export function readNotify(statement: Statement, hasUser: boolean, remarks: Remarks): string | undefined {
  const { place, words } = statement;
  if (words[1] === undefined) {
    remarks.notCarried(place, words, 'no script is named');
    return undefined;
  }
  if (words.length > 2) noteUser(statement, 2, remarks);
  const { command, notes } = importCommand(place, words, hasUser || words.length > 2);
  noteCommand(notes, remarks);
  return command;
}

export function noteCommand(notes: readonly CommandNote[], remarks: Remarks): void {
  for (const { place, words, sentence } of notes) remarks.note(place, words, sentence);
}

function noteUser({ place, words }: Statement, from: number, remarks: Remarks): void {
  remarks.notCarried(place, words.slice(from), 'scripts run with the rights of vipd');
}

/** What vipd does itself when it balances in the place of what the script looks at. */
export function isReplaced({ command }: ImportedScript): boolean {
  return /haproxy|nginx|apiserver|kube-?api|localhost|127\.0\.0\.1|healthz|readyz|livez/i.test(command);
}
