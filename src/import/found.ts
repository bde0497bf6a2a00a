/** Where in which file something stands. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** A value and where it was found. */
export interface Found<T> {
  readonly value: T;
  readonly place: Place;
}

/** Something said about a line of the file: mostly that, and why, it is not carried over. */
export interface Remark {
  readonly place: Place;
  /** The words of the line, or as many of them as tell which it is. */
  readonly words: string;
  readonly sentence: string;
}

/** The text of a file that is to be imported. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** The file is not what it is said to be. The message is one sentence without the place. */
export class Unreadable extends Error {
  readonly place: Place;
  constructor(place: Place, message: string) {
    super(message);
    this.name = 'Unreadable';
    this.place = place;
  }
}

/** Values by the path that they have within a VIP, in the file of vipd: `election.vrrp.priority`. */
export type FoundSettings = Map<string, Found<unknown>>;

/** Collects remarks, each once: what a section inherits is read once for each that inherits it. */
export class Remarks {
  private readonly seen = new Map<string, Remark>();

  /** `because` ends the sentence "not carried over: …". */
  notCarried(place: Place, words: readonly string[], because: string): void {
    this.note(place, words, `not carried over: ${because}`);
  }

  note(place: Place, words: readonly string[], sentence: string): void {
    const remark = { place, words: words.join(' '), sentence };
    this.seen.set(`${place.file}\n${place.line}\n${remark.words}\n${sentence}`, remark);
  }

  /** In the order of the files' lines; files in the order in which they were first remarked upon. */
  inOrder(): readonly Remark[] {
    const all = [...this.seen.values()];
    const files = [...new Set(all.map(({ place }) => place.file))];
    const rank = ({ file }: Place) => files.indexOf(file);
    return all.sort((a, b) => rank(a.place) - rank(b.place) || a.place.line - b.place.line);
  }
}

/** `file:line: words: sentence`, on one line and without control characters, whatever the file has. */
export function remarkText({ place, words, sentence }: Remark): string {
  return `${placeText(place)}: ${printable(words, 80)}: ${printable(sentence, 400)}`;
}

export function placeText({ file, line }: Place): string {
  return `${printable(file, 200)}:${line}`;
}

/** A text that neither breaks a line nor tells a terminal to do anything, at most so long. */
export function printable(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}
