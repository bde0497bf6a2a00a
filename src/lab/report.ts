/** Where the story is written. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
}

/** Something that was measured, and whether it is as promised. */
export interface Finding {
  readonly ok: boolean;
  /** What was looked at: `outage seen by the client`. */
  readonly what: string;
  /** What it was: `4812 ms`. */
  readonly figure: string;
  /** What it may be: `< 5500 ms`. What has a limit is a promise, and stands in the closing table. */
  readonly limit?: string;
}

/** A step of the story in the closing table; undefined `findings`: it was not reached. */
export interface Row {
  readonly step: string;
  readonly findings: readonly Finding[] | undefined;
}

/** Tells the story as plain lines; colours only on a terminal. */
export interface Report {
  title(text: string): void;
  step(text: string): void;
  say(text: string): void;
  finding(finding: Finding): void;
  table(rows: readonly Row[]): void;
}

const notReached: Finding = { ok: false, what: 'not reached', figure: '' };
const colours = { bold: 1, faint: 2, red: 31, green: 32 } as const;

export function createReport(output: Output): Report {
  const paint = (colour: keyof typeof colours, text: string) =>
    output.isTerminal ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text;
  const line = (text: string) => output.write(`${text}\n`);
  const mark = (ok: boolean) => (ok ? paint('green', '✓') : paint('red', '✗'));
  return {
    title: (text) => line(paint('bold', text)),
    step: (text) => line(`\n${paint('bold', text)}`),
    say: (text) => line(paint('faint', `  ${text}`)),
    finding({ ok, what, figure, limit }) {
      line(`  ${mark(ok)} ${what}: ${figure}${limit === undefined ? '' : paint('faint', ` (${limit})`)}`);
    },
    table(rows) {
      const cells = rows.flatMap(({ step, findings }) =>
        (findings?.filter(({ ok, limit }) => !ok || limit !== undefined) ?? [notReached]).map(
          ({ ok, what, figure, limit = '' }, i) => ({
            ok,
            texts: [i === 0 ? step : '', what, figure, limit],
          }),
        ),
      );
      const headings = ['step', 'what', 'figure', 'limit'];
      const widths = headings.map((heading, column) =>
        Math.max(heading.length, ...cells.map(({ texts }) => texts[column]?.length ?? 0)),
      );
      const row = (texts: readonly string[]) =>
        texts
          .map((text, column) => text.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd();
      line(`\n  ${paint('bold', row(headings))}`);
      for (const { ok, texts } of cells) line(`${mark(ok)} ${row(texts)}`);
    },
  };
}
