import { asObject, type JsonObject } from '../../kubernetes/json.js';

export type Selector = (object: JsonObject) => boolean;

/**
 * Reads the label and field selectors of a list or watch. Labels: `key`, `!key`, `key=value`, `key==value`, `key!=value`, joined by
 * commas; fields: `metadata.name=NAME`, `metadata.namespace=NAME`, and of an Event `involvedObject.kind` and its like. Undefined for any
 * other.
 */
export function parseSelectors(labels: string, fields: string): Selector | undefined {
  const terms = [...split(labels).map(parseLabelTerm), ...split(fields).map(parseFieldTerm)];
  const known = terms.filter((term) => term !== undefined);
  return known.length === terms.length ? (object) => known.every((term) => term(object)) : undefined;
}

function split(text: string): readonly string[] {
  return text === '' ? [] : text.split(',');
}

function parseLabelTerm(term: string): Selector | undefined {
  const match = /^(!?)([\w./-]+)(?:(!=|==?)([\w.-]*))?$/.exec(term);
  if (match === null) return undefined;
  const [, not, key = '', operator, value = ''] = match;
  if (operator === undefined) return (object) => (labelsOf(object)[key] !== undefined) === (not === '');
  if (not !== '') return undefined;
  return (object) => (labelsOf(object)[key] === value) === (operator !== '!=');
}

function parseFieldTerm(term: string): Selector | undefined {
  const match = /^(?:(metadata)\.(name|namespace)|(involvedObject)\.(kind|namespace|name|uid))==?(.*)$/.exec(term);
  if (match === null) return undefined;
  const part = match[1] ?? match[3] ?? '';
  const field = match[2] ?? match[4] ?? '';
  return (object) => (asObject(object[part])?.[field] ?? '') === match[5];
}

function labelsOf(object: JsonObject): JsonObject {
  return asObject(asObject(object.metadata)?.labels) ?? {};
}
