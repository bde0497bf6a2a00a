/** `${STATE}`, `$STATE`: what a guide leaves to be filled in, or a variable of the program that reads the file. */
const placeholder = /\$(?:\{[^}]*\}?|[A-Za-z_]\w*)/;

/** The first placeholder among the words; undefined when there is none. */
export function placeholderIn(words: readonly string[]): string | undefined {
  for (const word of words) {
    const found = placeholder.exec(word);
    if (found !== null) return found[0];
  }
  return undefined;
}

export function unfilled(name: string): string {
  return `${name} is not filled in; write its value into the file, and import it again`;
}

/** A whole number in decimal digits; undefined for anything else, or when it is out of the bounds. */
export function wholeNumber(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** Milliseconds as the file of vipd writes them: `5s`, `300ms`. */
export function durationText(millis: number): string {
  return millis % 1000 === 0 ? `${millis / 1000}s` : `${millis}ms`;
}

/** The nearest DNS name: lower case, hyphens for what no name has. Empty when nothing of it can stay. */
export function nearestDnsName(text: string): string {
  return text
    .toLowerCase()
    .split('.')
    .map(nearestDnsLabel)
    .filter((label) => label !== '')
    .join('.');
}

/** The same for one label of at most 63 characters, without dots. */
export function nearestDnsLabel(text: string): string {
  const trimmed = (label: string) => label.replace(/^-+|-+$/g, '');
  return trimmed(
    trimmed(
      text
        .slice(0, 200)
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-'),
    ).slice(0, 63),
  );
}

/** The nearest DNS label that is not taken, which it then is; `otherwise` when nothing of the text can stay. */
export function freeName(written: string, otherwise: string, taken: Set<string>): string {
  const base = nearestDnsLabel(written).slice(0, 60) || otherwise;
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
  taken.add(name);
  return name;
}
