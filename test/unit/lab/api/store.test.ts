import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { asObject, type JsonObject } from '../../../../src/kubernetes/json.js';
import { parseTarget, resources } from '../../../../src/lab/api/resource.js';
import { parseSelectors } from '../../../../src/lab/api/selector.js';
import { createStore, mergePatch, type Place, type Scope, type StoreResult } from '../../../../src/lab/api/store.js';

const [leases, nodes] = resources as [(typeof resources)[number], (typeof resources)[number]];
const wall = () => new Date('2024-01-01T00:00:00.123Z');
const everyNode: Scope = { resource: nodes, namespace: undefined, selects: () => true };

function place(name: string): Place {
  return { resource: nodes, namespace: undefined, name };
}

function nodeNamed(name: string, labels: JsonObject = {}, rest: JsonObject = {}): JsonObject {
  return { metadata: { name, labels }, ...rest };
}

function done(result: StoreResult): JsonObject {
  assert.ok(result.ok, JSON.stringify(result));
  return result.object;
}

function refusalOf(result: StoreResult): string {
  return result.ok ? 'ok' : result.refusal;
}

function versionOf(object: JsonObject): number {
  return Number(asObject(object.metadata)?.resourceVersion);
}

describe('store of the embedded API', () => {
  test('one counter for all kinds; what is created has its version, uid, time and kind', () => {
    const store = createStore(wall);
    const node = done(store.create(place(''), nodeNamed('cp1')));
    const lease = done(store.create({ resource: leases, namespace: 'kube-system' }, nodeNamed('lock')));
    assert.equal(versionOf(lease), versionOf(node) + 1);
    assert.equal(store.revision, versionOf(lease));
    const { uid, creationTimestamp, namespace } = asObject(lease.metadata) ?? {};
    assert.match(String(uid), /^[0-9a-f-]{36}$/);
    assert.deepEqual([creationTimestamp, namespace], ['2024-01-01T00:00:00Z', 'kube-system']);
    assert.deepEqual([lease.apiVersion, lease.kind], ['coordination.k8s.io/v1', 'Lease']);
  });

  test('a stale version, another uid and an existing name are refused', () => {
    const store = createStore(wall);
    const old = done(store.create(place(''), nodeNamed('cp1')));
    const current = done(store.replace(place('cp1'), { ...old, spec: { a: 1 } }, 'object'));
    assert.equal(refusalOf(store.replace(place('cp1'), old, 'object')), 'conflict');
    const twin = { ...current, metadata: { ...asObject(current.metadata), uid: 'other' } };
    assert.equal(refusalOf(store.replace(place('cp1'), twin, 'object')), 'conflict');
    assert.equal(refusalOf(store.create(place(''), nodeNamed('cp1'))), 'exists');
    assert.equal(refusalOf(store.create(place(''), nodeNamed('No Name'))), 'invalid');
    assert.equal(refusalOf(store.replace(place('cp2'), nodeNamed('cp2'), 'object')), 'absent');
    assert.equal(refusalOf(store.remove(place('cp2'))), 'absent');
    assert.deepEqual(done(store.get(place('cp1'))), current);
  });

  test('a Lease is only replaced by naming its version', () => {
    const store = createStore(wall);
    const at = { resource: leases, namespace: 'kube-system', name: 'lock' };
    done(store.create(at, nodeNamed('lock')));
    assert.equal(refusalOf(store.replace(at, nodeNamed('lock'), 'object')), 'invalid');
  });

  test('the status of a node is written apart from the rest', () => {
    const store = createStore(wall);
    done(store.create(place(''), nodeNamed('cp1', {}, { status: { phase: 'a' } })));
    done(store.patch(place('cp1'), { status: { phase: 'b' }, spec: { x: 1 } }, 'object'));
    assert.deepEqual(done(store.get(place('cp1'))).status, { phase: 'a' });
    const { spec, status } = done(store.patch(place('cp1'), { status: { phase: 'c' }, spec: { x: 2 } }, 'status'));
    assert.deepEqual([spec, status], [{ x: 1 }, { phase: 'c' }]);
  });

  test('a watch of some is told as they come, change, leave by a label and go', () => {
    const store = createStore(wall);
    const selects = parseSelectors('role', '') ?? (() => false);
    const told: string[] = [];
    const watching = store.follow({ ...everyNode, selects }, store.revision, ({ type, object }) => {
      told.push(`${type} ${asObject(object.metadata)?.name} ${versionOf(object) === store.revision}`);
    });
    done(store.create(place(''), nodeNamed('worker')));
    done(store.create(place(''), nodeNamed('cp1', { role: '' })));
    done(store.patch(place('cp1'), { spec: { a: 1 } }, 'object'));
    done(store.patch(place('cp1'), { metadata: { labels: { role: null } } }, 'object'));
    done(store.patch(place('cp1'), { metadata: { labels: { role: '' } } }, 'object'));
    done(store.remove(place('cp1')));
    assert.ok(watching !== 'gone');
    watching[Symbol.dispose]();
    done(store.create(place(''), nodeNamed('cp2', { role: '' })));
    assert.deepEqual(told, [
      'ADDED cp1 true',
      'MODIFIED cp1 true',
      'DELETED cp1 true',
      'ADDED cp1 true',
      'DELETED cp1 true',
    ]);
  });

  test('a list and the watch from its version miss nothing, whatever happens', () => {
    const step = fc.tuple(fc.constantFrom('cp1', 'cp2', 'cp3'), fc.constantFrom('create', 'change', 'remove'));
    fc.assert(
      fc.property(fc.array(step), fc.array(step), (earlier, later) => {
        const store = createStore(wall);
        const perform = ([name, action]: [string, string], index: number) => {
          if (action === 'create') store.create(place(''), nodeNamed(name));
          else if (action === 'change') store.patch(place(name), { spec: { index } }, 'object');
          else store.remove(place(name));
        };
        earlier.forEach(perform);
        const copy = new Map(store.list(everyNode).map((object) => [asObject(object.metadata)?.name, object]));
        const from = store.revision;
        later.forEach(perform);
        store.follow(everyNode, from, ({ type, object }) => {
          const name = asObject(object.metadata)?.name;
          if (type === 'DELETED') copy.delete(name);
          else copy.set(name, object);
        });
        assert.deepEqual(
          new Map([...copy].sort()),
          new Map(store.list(everyNode).map((o) => [asObject(o.metadata)?.name, o])),
        );
      }),
    );
  });

  test('history is bounded: older than that is gone', () => {
    const store = createStore(wall, 3);
    for (let i = 0; i < 5; i++) done(store.create(place(''), nodeNamed(`cp${i}`)));
    assert.equal(
      store.follow(everyNode, store.revision - 4, () => {}),
      'gone',
    );
    const names: unknown[] = [];
    store.follow(everyNode, store.revision - 3, ({ object }) => names.push(asObject(object.metadata)?.name));
    assert.deepEqual(names, ['cp2', 'cp3', 'cp4']);
    const before = store.revision;
    store.forgetHistory();
    assert.equal(
      store.follow(everyNode, before, () => {}),
      'gone',
    );
    assert.notEqual(
      store.follow(everyNode, store.revision, () => {}),
      'gone',
    );
  });
});

test('selectors of labels and fields; what is not known is refused, not ignored', () => {
  const object = nodeNamed('cp1', { role: '', zone: 'a' });
  const cases = {
    role: true,
    '!role': false,
    zone: true,
    'zone=a': true,
    'zone==a': true,
    'zone=b': false,
    'zone!=b': true,
    'role,zone=a': true,
    'role,missing': false,
    'role=': true,
    'node-role.kubernetes.io/control-plane': false,
  };
  for (const [labels, expected] of Object.entries(cases))
    assert.equal(parseSelectors(labels, '')?.(object), expected, labels);
  assert.equal(parseSelectors('', 'metadata.name=cp1')?.(object), true);
  assert.equal(parseSelectors('', 'metadata.name=cp2')?.(object), false);
  for (const labels of ['zone in (a)', 'a b', '!a=b', ',']) assert.equal(parseSelectors(labels, ''), undefined, labels);
  assert.equal(parseSelectors('', 'spec.unschedulable=true'), undefined);
});

test('paths of collections, objects and the status', () => {
  const read = (path: string) => {
    const target = parseTarget(path);
    return target && [target.resource.plural, target.namespace, target.name, target.status];
  };
  assert.deepEqual(read('/api/v1/nodes'), ['nodes', undefined, undefined, false]);
  assert.deepEqual(read('/api/v1/nodes/cp1/status'), ['nodes', undefined, 'cp1', true]);
  const base = '/apis/coordination.k8s.io/v1';
  assert.deepEqual(read(`${base}/leases`), ['leases', undefined, undefined, false]);
  assert.deepEqual(read(`${base}/namespaces/a/leases/b%2Dc`), ['leases', 'a', 'b-c', false]);
  for (const path of [
    '/',
    '/api',
    '/api/v1',
    '/api/v1/pods',
    '/api/v2/nodes',
    '/api/v1/namespaces/a/nodes',
    '/api/v1/nodes/',
    '/api/v1/nodes/a/b/c',
    `${base}/leases/a`,
    `${base}/namespaces/a/leases/b/status`,
    '/api/v1/nodes/%E0%A4%A',
  ]) {
    assert.equal(read(path), undefined, path);
  }
});

test('merge patch: the examples of RFC 7396, appendix A', () => {
  const examples: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of examples) assert.deepEqual(mergePatch(target, patch), result);
});
