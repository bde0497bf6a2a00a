import { median } from './figures.js';

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly isLessBetter: boolean;
  /** A bar is as long as the median; the line across it goes from the least value to the greatest. */
  readonly bars: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const width = 480;
const left = 90;
const right = 90;
const rowHeight = 26;
const top = 44;

/** An SVG that reads on a light and on a dark page. */
export function barChart({ title, unit, digits, isLessBetter, bars }: BarChart): string {
  const longest = Math.max(...bars.flatMap(({ values }) => values));
  // Differences can be below nothing.
  const scale = (value: number) => (longest <= 0 ? 0 : (Math.max(0, value) / longest) * (width - left - right));
  const rows = bars.map(({ name, values }, row) => {
    const y = top + row * rowHeight;
    const middle = y + 9;
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => left + scale(value));
    const label = `${median(values).toFixed(digits)} ${unit}`;
    return `  <text x="${left - 8}" y="${y + 13}" text-anchor="end">${name}</text>
  <rect x="${left}" y="${y}" width="${scale(median(values)).toFixed(1)}" height="18" fill="${name === 'vipd' ? '#2f7d4f' : '#8a93a0'}"/>
  <path d="M${least?.toFixed(1)} ${middle}H${most?.toFixed(1)}" stroke="#c0392b" stroke-width="2"/>
  <text x="${((most ?? left) + 8).toFixed(1)}" y="${y + 13}">${label}</text>`;
  });
  const height = top + bars.length * rowHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
  <style>text { font: 12px sans-serif; fill: #57606a } .title { font-weight: bold }</style>
  <text class="title" x="8" y="18">${title}</text>
  <text x="8" y="34">${isLessBetter ? 'less is better' : 'more is better'}; bars are medians, lines from the least to the greatest round</text>
${rows.join('\n')}
</svg>
`;
}
