import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attribute, concat, text } from '../../../../src/kernel/linux/netlink-message.js';
import { decodeRule, encodeListRules } from '../../../../src/kernel/linux/nft-rule-list.js';

const newRule = (10 << 8) | 6;
const message = (type: number, payload: Uint8Array) => ({ type, flags: 0, sequence: 1, payload });
const ip = Uint8Array.of(2, 0, 0, 0);
const named = concat(
  attribute(1, text('mangle')),
  attribute(2, text('pre')),
  attribute(3, Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2)),
);
// Of another type and length first; a length may look like a letter.
const comment = 'left by others, in many more words than the shortest comment has, and so on';
const remark = concat(Uint8Array.of(1, 2, 9, 9, 0, comment.length + 1), text(comment));

test('a rule is read with its place and its words', () => {
  assert.deepEqual(decodeRule(message(newRule, concat(ip, named, attribute(7, remark)))), {
    ok: true,
    value: { by: 'nftables', family: 'ip', table: 'mangle', chain: 'pre', handle: 258n, words: comment },
  });
});

test('all rules of all families are asked for', () => {
  const [request] = encodeListRules();
  assert.deepEqual([request?.type, request?.payload], [(10 << 8) | 7, new Uint8Array(4)]);
});

test('what is no rule is refused, and no bytes make the decoder throw', () => {
  assert.equal(decodeRule(message(newRule, ip)).ok, false);
  assert.equal(decodeRule(message(3, concat(ip, named))).ok, false);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 12 })))
      .map((list) => concat(ip, ...list.map(([type, payload]) => attribute(type, payload)))),
  );
  fc.assert(fc.property(bytes, (payload) => typeof decodeRule(message(newRule, payload)).ok === 'boolean'));
});
