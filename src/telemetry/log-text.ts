/** One line for people from one of pino's: `2026-01-02T03:04:05.678Z INFO  message  name=value …`, without steering characters. */
export function textLine(json: string): string {
  const { time, level, node: _, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const named = Object.entries(fields).map(([name, value]) => `  ${name}=${fieldText(value)}`);
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${escaped(String(msg))}${named.join('')}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? escaped(value) : JSON.stringify(value);
}

function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
