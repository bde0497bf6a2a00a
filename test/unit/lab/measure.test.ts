import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastAnswerOf, longestGap, tally } from '../../../src/lab/measure.js';
import type { ProbeOutcome, ProbeResult } from '../../../src/lab/probe.js';
import { millis } from '../../../src/time/instant.js';

const result = (at: number, took: number, outcome: ProbeOutcome = 'ok', backend?: string): ProbeResult => ({
  at,
  took: millis(took),
  outcome,
  ...(backend === undefined ? {} : { backend }),
});

test('the longest gap lies between the ends of two successful attempts', () => {
  const results = [result(100, 1), result(102, 200, 'timeout'), result(104, 200, 'timeout'), result(400, 5)];
  assert.deepEqual(longestGap(results, 99, 410), { from: 101, length: 304 });
});

test('results may come in any order', () => {
  assert.deepEqual(longestGap([result(30, 1), result(10, 1), result(20, 1)], 10, 32), { from: 11, length: 10 });
});

test('a probe that never succeeded has one gap from its beginning to its end', () => {
  assert.deepEqual(longestGap([result(5, 200, 'timeout')], 0, 300), { from: 0, length: 300 });
});

test('the time after the last success counts', () => {
  assert.deepEqual(longestGap([result(1, 1)], 0, 1000), { from: 2, length: 998 });
});

test('answers are counted by backend', () => {
  const results = [
    result(1, 1, 'ok', 'cp1'),
    result(2, 1, 'ok', 'cp2'),
    result(3, 1, 'ok', 'cp1'),
    result(4, 1, 'reset'),
  ];
  assert.deepEqual(Object.fromEntries(tally(results)), { cp1: 2, cp2: 1 });
  assert.equal(lastAnswerOf('cp1', results), 3);
  assert.equal(lastAnswerOf('cp3', results), undefined);
});
