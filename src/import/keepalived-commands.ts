import type { Place } from './found.js';

/** A command of keepalived in vipd's words, and what is to be said of its line. */
export interface ImportedCommand {
  readonly command: string;
  readonly notes: readonly CommandNote[];
}

export interface CommandNote {
  readonly place: Place;
  readonly words: readonly string[];
  readonly sentence: string;
}

const rights = 'it runs with the rights of vipd: under manifests/vipd.service a user with three capabilities';
const shell = 'no shell reads this; write [/bin/sh, -c, …]';

/**
 * @param words the line, of which the second word is the command
 * @param hasUser whether the file names who runs it; else that was root, or keepalived_script
 */
export function importCommand(place: Place, words: readonly string[], hasUser: boolean): ImportedCommand {
  const [keyword = '', command = ''] = words;
  const note = (sentence: string): CommandNote => ({ place, words: [keyword, command], sentence });
  const name = lookedFor(command);
  if (name !== undefined) {
    const instead = `pgrep -x ${name}`;
    const sentence = `"${instead}" is written instead: signal 0 to a process of another user needs rights that vipd has not`;
    return { command: instead, notes: [note(sentence)] };
  }
  const notes: CommandNote[] = [];
  if (!hasUser || /kill|pidof/.test(command)) notes.push(note(rights));
  if (needsShell(command)) notes.push(note(shell));
  return { command, notes };
}

/** The program that `killall -0 NAME` or `pkill -0 NAME` looks for, as the kernel calls it: its first 15 letters. */
function lookedFor(command: string): string | undefined {
  const [program = '', ...rest] = command.trim().split(/\s+/);
  const flags = rest.filter((word) => word.startsWith('-'));
  const [name, ...more] = rest.filter((word) => !word.startsWith('-'));
  if (!/^(?:\/\S*\/)?(?:killall|pkill)$/.test(program) || !flags.includes('-0')) return undefined;
  if (!flags.every((flag) => ['-0', '-q', '-x', '-e'].includes(flag))) return undefined;
  if (name === undefined || more.length > 0 || !/^[\w./-]+$/.test(name)) return undefined;
  return name.slice(name.lastIndexOf('/') + 1).slice(0, 15) || undefined;
}

function needsShell(command: string): boolean {
  if (/^(?:\S*\/)?(?:ba|da|k|z)?sh\s+-\w*c\s/.test(command)) return false;
  const quoted = /'[^']*'|"(?:[^"\\]|\\.)*"/g;
  // Within double quotes a shell still runs commands.
  const isRun = [...command.matchAll(quoted)].some(([text]) => text.startsWith('"') && /`|\$\(/.test(text));
  return isRun || /[|>;`]|&&|\$\(/.test(command.replace(quoted, ''));
}
