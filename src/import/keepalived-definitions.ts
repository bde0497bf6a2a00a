import type { Remarks } from './found.js';
import type { Statement } from './statements.js';
import { placeholderIn, unfilled } from './words.js';

const definition = /^\$([A-Za-z_]\w*)=(.*)$/s;

/**
 * Replaces `$NAME` and `${NAME}` by what `$NAME=value` above it says, as keepalived does, and takes the definitions out. A line with
 * a name that nothing defines is taken out with a remark: what it would say is not known.
 */
export function expandDefinitions(statements: readonly Statement[], remarks: Remarks): Statement[] {
  return expand(statements, new Map(), remarks);
}

function expand(statements: readonly Statement[], values: Map<string, string>, remarks: Remarks): Statement[] {
  const expanded: Statement[] = [];
  for (const { place, words, block } of statements) {
    const [, name, value = ''] = definition.exec(words[0] ?? '') ?? [];
    if (name !== undefined && block === undefined) {
      values.set(name, substitute([value, ...words.slice(1)], values).join(' '));
      continue;
    }
    const substituted = substitute(words, values);
    const missing = placeholderIn(substituted);
    if (missing !== undefined) remarks.notCarried(place, words, unfilled(missing));
    // The name of a block is not what it is about.
    if (block !== undefined) expanded.push({ place, words: substituted, block: expand(block, values, remarks) });
    else if (missing === undefined) expanded.push({ place, words: substituted, block });
  }
  return expanded;
}

/** A value of several words is several words, but within a text that was in quotes. */
function substitute(words: readonly string[], values: ReadonlyMap<string, string>): string[] {
  return words.flatMap((word) => {
    if (!word.includes('$')) return [word];
    const text = word
      .slice(0, 10_000)
      .replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, bare) => values.get(braced ?? bare) ?? whole);
    const cut = text.slice(0, 10_000);
    return /\s/.test(word) ? [cut] : cut.split(/\s+/).filter(Boolean);
  });
}
