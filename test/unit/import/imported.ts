import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { remarkText } from '../../../src/import/found.js';
import { type Imported, importFiles } from '../../../src/import/import.js';

export type Program = 'keepalived' | 'haproxy' | 'nginx' | 'kube-vip';
export type Texts = Partial<Record<Program, string>>;

const files: Readonly<Record<Program, string>> = {
  keepalived: 'keepalived.conf',
  haproxy: 'haproxy.cfg',
  nginx: 'nginx.conf',
  'kube-vip': 'kube-vip.yaml',
};

/** Imports texts under their usual file names. */
export function importTexts(texts: Texts): Imported {
  const source = (program: Program) => {
    const text = texts[program];
    return text === undefined ? undefined : { file: files[program], text };
  };
  return importFiles({
    keepalived: source('keepalived'),
    haproxy: source('haproxy'),
    nginx: source('nginx'),
    'kube-vip': source('kube-vip'),
  });
}

/** The VIPs of the file that comes out, as plain data, and the remarks as they are printed. */
export function imported(texts: Texts): {
  readonly yaml: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
  readonly vips: any[];
  readonly remarks: readonly string[];
} {
  const result = importTexts(texts);
  assert.ok(result.ok, result.ok ? '' : result.problems.join('\n'));
  return { yaml: result.yaml, vips: parse(result.yaml).vips, remarks: result.remarks.map(remarkText) };
}

export function problemsOf(texts: Texts): readonly string[] {
  const result = importTexts(texts);
  assert.ok(!result.ok);
  return result.problems;
}

/** What guides write where a value is to be filled in. */
export function unfilled(name: string): string {
  return `\${${name}}`;
}
