import { type Place, Unreadable } from './found.js';
import { readQuoted } from './statements.js';

/** A line of haproxy.cfg as words. */
export interface Line {
  readonly place: Place;
  readonly words: readonly string[];
}

/** `frontend apiserver` and the lines below it. */
export interface Section extends Line {
  readonly lines: Line[];
}

const keywords = [
  ...['global', 'defaults', 'frontend', 'backend', 'listen', 'peers', 'resolvers', 'userlist', 'mailers', 'cache'],
  ...['program', 'ring', 'log-forward', 'log-profile', 'http-errors', 'fcgi-app', 'crt-store', 'traces', 'acme'],
  ...['dynamic-update', 'healthcheck'],
];

/**
 * Splits haproxy.cfg into sections (HAProxy's configuration manual, sections 2.1 and 2.2). `loose` are lines before the first.
 * @throws Unreadable where a quote is not closed
 */
export function parseSections(file: string, text: string): { readonly sections: Section[]; readonly loose: Line[] } {
  const sections: Section[] = [];
  const loose: Line[] = [];
  text.split('\n').forEach((content, index) => {
    const place = { file, line: index + 1 };
    const words = splitWords(content, place);
    const [keyword] = words;
    if (keyword === undefined) return;
    if (keywords.includes(keyword)) sections.push({ place, words, lines: [] });
    else (sections.at(-1)?.lines ?? loose).push({ place, words });
  });
  return { sections, loose };
}

/** Words of one line: `"…"` and `'…'` hold them together, `\` makes the next character plain, `#` begins a comment. */
export function splitWords(line: string, place: Place): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const char = line[i] ?? '';
    if (char === '#') break;
    if (char === '"' || char === "'") {
      const quoted = readQuoted(line, i, place, true);
      word = (word ?? '') + quoted.text;
      i = quoted.end;
    } else if (char === '\\') {
      const next = line[i + 1];
      if (next === undefined) throw new Unreadable(place, 'the line ends with \\; remove it');
      word = (word ?? '') + next;
      i++;
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}
