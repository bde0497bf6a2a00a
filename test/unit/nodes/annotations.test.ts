import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAnnotations } from '../../../src/kubernetes/node-codec.js';
import { refused } from '../../../src/kubernetes/refusal.js';
import { annotatedInterface } from '../../../src/nodes/annotations.js';
import { readAnnotations } from '../../../src/nodes/annotations-driver.js';
import { millis } from '../../../src/time/instant.js';
import { createFakeClock } from '../../fakes/clock.js';
import { createRecordingLog } from '../../fakes/log.js';

test('a VIP has its own annotation, else that for all', () => {
  const annotations = { 'vipd.io/interface': 'eth1', 'vipd.io/interface.api': '/^en/', other: 'x' };
  assert.equal(annotatedInterface(annotations, 'api'), '/^en/');
  assert.equal(annotatedInterface(annotations, 'web'), 'eth1');
  assert.equal(annotatedInterface({ 'vipd.io/interface.api': 'eth2' }, 'web'), undefined);
});

test('annotations that are no texts are none', () => {
  assert.deepEqual(decodeAnnotations({ metadata: { annotations: { a: 'b', c: 3, d: null } } }), { a: 'b' });
  for (const object of [{}, { metadata: 3 }, { metadata: { annotations: ['a'] } }])
    assert.deepEqual(decodeAnnotations(object), {});
});

test('they are read until there is an answer, ever more slowly, and an outage is told of once', async () => {
  const clock = createFakeClock();
  const { log, lines } = createRecordingLog();
  const start = clock.now();
  const asked: number[] = [];
  let answers = 0;
  const reading = readAnnotations({
    api: {
      async read() {
        asked.push((clock.now() - start) / 1000);
        return asked.length < 5 ? refused('unreachable', 'ECONNREFUSED') : { ok: true, annotations: { a: 'b' } };
      },
    },
    timeout: millis(1000),
    ...{ clock, log },
    onAnswer: () => answers++,
  });
  await reading.tried;
  for (let second = 0; second < 60; second++) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(asked, [0, 1, 3, 7, 15]);
  assert.deepEqual([answers, lines.length], [1, 1]);
});
