import { type Place, Unreadable } from './found.js';

/** `words;`, `words { block }`, or a line of words: keepalived's and nginx's files are made of these. */
export interface Statement {
  readonly place: Place;
  readonly words: readonly string[];
  /** Undefined when no braces follow. */
  block: Statement[] | undefined;
}

/** What differs between the two. */
export interface Grammar {
  /** Each begins a comment that goes to the end of the line. */
  readonly comments: string;
  /** nginx takes `#` for a comment only where a word could begin. */
  readonly commentsInWords: boolean;
  readonly quotes: string;
  readonly ends: 'newline' | ';';
}

export const keepalivedGrammar: Grammar = { comments: '#!', commentsInWords: true, quotes: '"', ends: 'newline' };
export const nginxGrammar: Grammar = { comments: '#', commentsInWords: false, quotes: '"\'', ends: ';' };

/** No file of either program comes near it. */
const mostNested = 32;

/**
 * Reads a file of statements and blocks. A brace that follows `$` belongs to its word: `${NAME}`.
 * @throws Unreadable where braces or quotes do not match, blocks are nested beyond reason, or a statement does not end
 */
export function parseStatements(file: string, text: string, grammar: Grammar): Statement[] {
  const root: Statement[] = [];
  const open: Statement[] = [];
  let block = root;
  let line = 1;
  let words: string[] = [];
  let firstLine = 1;
  let word: string | undefined;
  const at = (number: number): Place => ({ file, line: number });
  const addToWord = (piece: string): void => {
    if (words.length === 0 && word === undefined) firstLine = line;
    word = (word ?? '') + piece;
  };
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endStatement = (): void => {
    endWord();
    if (words.length > 0) block.push({ place: at(firstLine), words, block: undefined });
    words = [];
  };

  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '\n') {
      endWord();
      if (grammar.ends === 'newline') endStatement();
      line++;
    } else if (grammar.comments.includes(char) && (grammar.commentsInWords || word === undefined)) {
      const end = text.indexOf('\n', i);
      i = (end < 0 ? text.length : end) - 1;
    } else if (grammar.quotes.includes(char) && (grammar.ends === 'newline' || word === undefined)) {
      const quoted = readQuoted(text, i, at(line), grammar.ends === 'newline');
      addToWord(quoted.text);
      line += quoted.lines;
      i = quoted.end;
    } else if (char === '\\' && /^\\\r?\n/.test(text.slice(i, i + 3))) {
      endWord();
      i = text.indexOf('\n', i);
      line++;
    } else if (char === '\\' && i + 1 < text.length) {
      addToWord(grammar.ends === ';' ? char + text[i + 1] : (text[i + 1] ?? ''));
      i++;
    } else if (char === '{' && word?.endsWith('$') === true) {
      const end = /^[^}\n]*\}/.exec(text.slice(i, i + 200))?.[0];
      if (end === undefined)
        throw new Unreadable(at(line), 'the brace of a placeholder is never closed; write the } on the same line');
      addToWord(end);
      i += end.length - 1;
    } else if (char === '{') {
      endWord();
      let opened: Statement | undefined;
      if (words.length > 0) {
        opened = { place: at(firstLine), words, block: [] };
        block.push(opened);
        words = [];
      } else {
        opened = block.at(-1);
        if (opened === undefined || opened.block !== undefined || grammar.ends === ';')
          throw new Unreadable(at(line), '{ follows no word; remove it, or write what it opens before it');
        opened.block = [];
      }
      open.push(opened);
      if (open.length > mostNested)
        throw new Unreadable(
          at(line),
          `more than ${mostNested} blocks are nested here; close those that are not needed`,
        );
      block = opened.block ?? [];
    } else if (char === '}') {
      endWord();
      if (grammar.ends === ';' && words.length > 0)
        throw new Unreadable(at(firstLine), `"${words[0]}" is not ended; write ; after it`);
      endStatement();
      if (open.pop() === undefined) throw new Unreadable(at(line), '} closes nothing; remove it');
      block = open.at(-1)?.block ?? root;
    } else if (char === ';' && grammar.ends === ';') endStatement();
    else if (/\s/.test(char)) endWord();
    else addToWord(char);
  }
  endWord();
  if (grammar.ends === ';' && words.length > 0)
    throw new Unreadable(at(firstLine), `"${words[0]}" is not ended; write ; after it`);
  endStatement();
  const unclosed = open.at(-1);
  if (unclosed !== undefined)
    throw new Unreadable(unclosed.place, `"${unclosed.words[0]} {" is never closed; write the missing }`);
  return root;
}

/** A quoted text from its opening quote at `start`. `end` is where the closing quote stands, `lines` how many it crosses. */
export function readQuoted(
  text: string,
  start: number,
  place: Place,
  onOneLine: boolean,
): { readonly text: string; readonly end: number; readonly lines: number } {
  const quote = text[start];
  let content = '';
  let lines = 0;
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === quote) return { text: content, end: i, lines };
    if (char === '\n') {
      if (onOneLine) break;
      lines++;
    }
    const next = text[i + 1];
    if (char === '\\' && (next === quote || next === '\\')) {
      content += next;
      i++;
    } else content += char;
  }
  throw new Unreadable(place, `the quote ${quote} is never closed; write the missing one`);
}
