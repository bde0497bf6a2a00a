import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf, settingsOf } from './load-text.js';

const file = (annotations: string) =>
  `vips:\n  - addresses: [10.0.0.9]\n    election: { lease: { annotations: ${annotations} } }`;

async function annotationsOf(text: string | undefined, flag?: string): Promise<unknown> {
  const flags = { address: '10.0.0.9', ...(flag === undefined ? {} : { 'lease-annotations': flag }) };
  const { vips } = await settingsOf(text, text === undefined ? { flags } : {});
  return vips[0]?.election.lease.annotations;
}

test('annotations are a map in the file, and JSON or pairs elsewhere', async () => {
  const wanted = { 'example.com/team': 'net', note: 'a=b' };
  assert.deepEqual(await annotationsOf(file('{ example.com/team: net, note: a=b }')), wanted);
  assert.deepEqual(await annotationsOf(undefined, 'example.com/team=net, note=a=b'), wanted);
  assert.deepEqual(await annotationsOf(undefined, JSON.stringify(wanted)), wanted);
  assert.deepEqual(await annotationsOf(undefined), {});
});

const longest = 'a'.repeat(63);

for (const [annotations, problem] of [
  ['[a]', /a list is not a map of annotations; write names and texts/],
  ['{ a: true }', /the value of a is not a text; put it in quotes/],
  ['{ "a b": x }', /"a b" is not the name of an annotation; write at most 63 letters/],
  ['{ a/b/c: x }', /"a\/b\/c" is not the name/],
  ['{ /b: x }', /"\/b" is not the name/],
  [`{ ${longest}a: x }`, /is not the name/],
  [`{ a: ${'x'.repeat(256 * 1024)} }`, /larger than the 256 KiB/],
] as const) {
  test(`refused: ${annotations.slice(0, 20)}`, async () => {
    const problems = await problemsOf(file(annotations));
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', problem);
    assert.match(problems[0] ?? '', /election\.lease\.annotations \(--lease-annotations, VIPD_LEASE_ANNOTATIONS\)/);
  });
}

test('the longest name is taken, and what is neither JSON nor pairs is refused', async () => {
  assert.deepEqual(await annotationsOf(file(`{ example.com/${longest}: "" }`)), { [`example.com/${longest}`]: '' });
  for (const text of ['{"a"', 'a', '[1]']) {
    const problems = await problemsOf(undefined, { flags: { address: '10.0.0.9', 'lease-annotations': text } });
    assert.match(problems.join(), /is not a map of annotations/);
  }
});
