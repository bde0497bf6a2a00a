import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ApiAnswer, ApiCall, KubernetesClient, StreamCall, StreamEnd } from '../../../src/kubernetes/client.js';
import type { JsonObject } from '../../../src/kubernetes/json.js';
import { pauseAfter, reflect } from '../../../src/kubernetes/reflector.js';
import { type Refused, refused } from '../../../src/kubernetes/refusal.js';
import { createFakeClock } from '../../fakes/clock.js';

/** A reflector on a client whose every answer the test gives. */
function open() {
  const clock = createFakeClock();
  const lists: { call: ApiCall; answer(answer: ApiAnswer): void }[] = [];
  const watches: { call: StreamCall; end(end: StreamEnd): void }[] = [];
  const client: KubernetesClient = {
    request: (call) => new Promise((answer) => lists.push({ call, answer })),
    stream: (call) => new Promise((end) => watches.push({ call, end })),
    [Symbol.dispose]() {},
  };
  const told: string[][] = [];
  const interruptions: Refused[] = [];
  const reflecting = reflect({
    client,
    clock,
    path: '/api/v1/nodes',
    selector: { labelSelector: 'a' },
    onObjects: (objects) => told.push([...objects.keys()]),
    onInterrupted: (refusal) => interruptions.push(refusal),
    random: () => 0.5,
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const take = async <T>(from: T[], what: string): Promise<T> => {
    await settle();
    const [next, ...more] = from.splice(0);
    assert.ok(
      next !== undefined && more.length === 0,
      `one ${what}, not ${more.length + (next === undefined ? 0 : 1)}`,
    );
    return next;
  };
  return {
    clock,
    told,
    interruptions,
    settle,
    list: () => take(lists, 'list'),
    watch: () => take(watches, 'watch'),
    async quiet() {
      await settle();
      assert.deepEqual([lists, watches], [[], []]);
    },
    /** Until a watch from `version` with one object. */
    async started(version: string) {
      (await take(lists, 'list')).answer(listOf(version, object('cp1', '1')));
      return take(watches, 'watch');
    },
    [Symbol.dispose]: () => reflecting[Symbol.dispose](),
  };
}

function object(name: string, resourceVersion: string): JsonObject {
  return { metadata: { name, resourceVersion } };
}

function listOf(resourceVersion: string, ...items: readonly JsonObject[]): ApiAnswer {
  return { ok: true, body: { kind: 'NodeList', metadata: { resourceVersion }, items } };
}

describe('reflector', () => {
  test('lists, then watches from the version of the list', async () => {
    using at = open();
    const list = await at.list();
    assert.deepEqual(
      [list.call.path, list.call.query, list.call.lane],
      ['/api/v1/nodes', { labelSelector: 'a' }, 'background'],
    );
    list.answer(listOf('7', object('cp1', '3'), object('cp2', '5')));
    const { call } = await at.watch();
    assert.deepEqual(call.query, {
      labelSelector: 'a',
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '45',
      resourceVersion: '7',
    });
    call.onObject({ type: 'ADDED', object: object('cp3', '8') });
    call.onObject({ type: 'MODIFIED', object: object('cp1', '9') });
    call.onObject({ type: 'DELETED', object: object('cp2', '10') });
    assert.deepEqual(at.told, [
      ['cp1', 'cp2'],
      ['cp1', 'cp2', 'cp3'],
      ['cp1', 'cp2', 'cp3'],
      ['cp1', 'cp3'],
    ]);
  });

  test('a watch that ends in good order is taken up at the last version, a bookmark counts', async () => {
    using at = open();
    const first = await at.started('7');
    first.call.onObject({ type: 'ADDED', object: object('cp2', '8') });
    first.call.onObject({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '99' } } });
    at.clock.advance(45_000);
    first.end({ ok: true });
    assert.equal((await at.watch()).call.query.resourceVersion, '99');
    assert.equal(at.told.length, 2);
    assert.deepEqual(at.interruptions, []);
  });

  test('a watch that breaks leads to a new list, at once, which drops what was deleted meanwhile', async () => {
    using at = open();
    (await at.started('7')).end(refused('unreachable', 'broken'));
    await at.settle();
    at.clock.advance(25);
    (await at.list()).answer(listOf('20'));
    assert.equal((await at.watch()).call.query.resourceVersion, '20');
    assert.deepEqual(at.told, [['cp1'], []]);
    assert.deepEqual(at.interruptions, [refused('unreachable', 'broken')]);
  });

  for (const [how, end] of [
    ['as the answer', refused('gone', 'too old')],
    ['as an event', undefined],
  ] as const) {
    test(`410 Gone ${how} leads to a new list`, async () => {
      using at = open();
      const watch = await at.started('7');
      const event = { type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } };
      watch.end(end ?? (watch.call.onObject(event) as Refused));
      await at.settle();
      at.clock.advance(25);
      await at.list();
      assert.deepEqual(at.interruptions, [refused('gone', 'too old')]);
    });
  }

  test('a server that ends every watch at once is not hammered', async () => {
    using at = open();
    for (let failures = 1; failures < 6; failures++) {
      (await at.started('7')).end({ ok: true });
      await at.settle();
      const pause = pauseAfter(failures, 'unreachable', 0.5);
      at.clock.advance(pause - 1);
      await at.quiet();
      at.clock.advance(1);
    }
    assert.ok(at.interruptions.every(({ detail }) => detail === 'the watch ended at once'));
  });

  test('a watch that lasted makes the next pause the first again', async () => {
    using at = open();
    for (let i = 0; i < 3; i++) {
      const watch = await at.started('7');
      at.clock.advance(1_000);
      watch.end(refused('unreachable', 'broken'));
      await at.settle();
      at.clock.advance(pauseAfter(1, 'unreachable', 0.5));
    }
  });

  test('what is not a list, or not an event, is named and tried again', async () => {
    using at = open();
    const bodies: JsonObject[] = [
      {},
      { kind: 'Node' },
      { kind: 'NodeList', items: {} },
      { kind: 'NodeList', items: [] },
      { kind: 'NodeList', items: [7], metadata: { resourceVersion: '1' } },
    ];
    for (const body of bodies) {
      (await at.list()).answer({ ok: true, body });
      await at.settle();
      at.clock.advance(5_000);
    }
    const { call } = await at.started('7');
    for (const event of [{}, { type: 'ADDED' }, { type: 'ADDED', object: {} }, { type: 'ERROR', object: {} }]) {
      assert.equal(call.onObject(event)?.refusal, 'invalid');
    }
    assert.equal(call.onObject({ type: 'LATER', object: object('x', '9') }), undefined);
    assert.deepEqual(at.told, [['cp1']]);
    assert.deepEqual(new Set(at.interruptions.map(({ refusal }) => refusal)), new Set(['invalid']));
  });

  test('disposed, it ends its request and says nothing more', async () => {
    const at = open();
    const { call, end } = await at.started('7');
    at[Symbol.dispose]();
    assert.ok(call.signal.aborted);
    call.onObject({ type: 'ADDED', object: object('cp2', '8') });
    end(refused('unreachable', 'given up'));
    await at.settle();
    at.clock.advance(10_000);
    await at.quiet();
    assert.deepEqual([at.told, at.interruptions], [[['cp1']], []]);
  });
});

test('pauses: next to none, then doubling; under a second where the server is away, up to 5 s where it says no', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 9].map((n) => pauseAfter(n, 'unreachable', 1)),
    [25, 100, 200, 400, 800, 800],
  );
  assert.deepEqual(
    [1, 2, 5, 8, 99].map((n) => pauseAfter(n, 'forbidden', 1)),
    [25, 100, 800, 5_000, 5_000],
  );
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 1e6 }), random, (failures, x) => {
      const pause = pauseAfter(failures, 'timeout', x);
      assert.ok(pause >= 50 && pause <= 800, String(pause));
    }),
  );
});
