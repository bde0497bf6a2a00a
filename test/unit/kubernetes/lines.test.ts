import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLineSplitter } from '../../../src/kubernetes/lines.js';

test('lines come out whole however the bytes are cut', () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''));
  fc.assert(
    fc.property(fc.array(line), fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (lines, sizes) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const splitter = createLineSplitter(1_000);
      const found: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value ?? 1;
        const pushed = splitter.push(bytes.subarray(at, at + size));
        assert.notEqual(pushed, 'too-long');
        found.push(...pushed);
        at += size;
      }
      assert.deepEqual(found, lines);
    }),
  );
});

test('a line over the limit is refused, whether it ends or not', () => {
  assert.deepEqual(createLineSplitter(3).push(Buffer.from('abc\n')), ['abc']);
  assert.equal(createLineSplitter(3).push(Buffer.from('abcd\n')), 'too-long');
  const splitter = createLineSplitter(3);
  assert.deepEqual(splitter.push(Buffer.from('x\nab')), ['x']);
  assert.equal(splitter.push(Buffer.from('cd')), 'too-long');
});
