import * as z from 'zod/mini';
import { type Kind, shown, Wrong } from './kinds.js';

/** Annotations of a Kubernetes object: names and texts. */
export type Annotations = Readonly<Record<string, string>>;

/** All names and values of one object (apimachinery, TotalAnnotationSizeLimitB). */
const totalBytes = 256 * 1024;
const mend = 'write names and texts, such as { example.com/team: net }';

/** A map of names to texts; as text `{"name": "text"}` or `name=text,name=text`. */
export const annotations: Kind<Annotations> = {
  words: 'map of names to texts; as text `{"name": "text"}` or `name=text,…`',
  schema: z.pipe(
    z.unknown(),
    z.transform((input, context): Annotations => {
      const wrong = whatIsWrong(input);
      if (wrong === undefined) return input as Annotations;
      context.issues.push({ code: 'custom', message: wrong.message, input });
      return z.NEVER;
    }),
  ),
  isList: false,
  fromText: (text) => (text.trimStart().startsWith('{') ? parsed(text) : pairs(text)),
};

function whatIsWrong(input: unknown): Wrong | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return new Wrong(`${shown(input)} is not a map of annotations; ${mend}`);
  let bytes = 0;
  for (const [name, value] of Object.entries(input)) {
    if (!isQualifiedName(name)) {
      return new Wrong(
        `${shown(name)} is not the name of an annotation; write at most 63 letters, digits, and inner hyphens, dots and underscores, with a DNS name and a slash before them if need be`,
      );
    }
    if (typeof value !== 'string') return new Wrong(`the value of ${name} is not a text; put it in quotes`);
    bytes += new TextEncoder().encode(name + value).length;
  }
  return bytes > totalBytes ? new Wrong('the annotations are larger than the 256 KiB an object may have') : undefined;
}

/** apimachinery, IsQualifiedName: `[PREFIX/]NAME`, the prefix in lower case. */
function isQualifiedName(text: string): boolean {
  const [name = '', prefix, ...more] = text.split('/').reverse();
  if (more.length > 0 || !/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name)) return false;
  if (prefix === undefined) return true;
  return prefix.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(prefix);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What has no `=` is left as it is, to be refused. */
function pairs(text: string): unknown {
  const parts = text.split(',').map((part) => part.trim());
  if (!parts.every((part) => part.includes('='))) return text;
  return Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
}
