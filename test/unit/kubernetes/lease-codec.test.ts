import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asObject, type JsonObject } from '../../../src/kubernetes/json.js';
import { decodeLease, encodeLease, replaceRecord } from '../../../src/kubernetes/lease-codec.js';
import type { LeaseRecord, ObservedLease } from '../../../src/lease/record.js';

const metadata = { name: 'plndr-cp-lock', namespace: 'kube-system', resourceVersion: '42' };
const nobody: LeaseRecord = {
  holderIdentity: '',
  leaseDurationSeconds: 0,
  acquireTime: undefined,
  renewTime: undefined,
  leaseTransitions: 0,
};

function decodeSpec(spec: unknown): LeaseRecord | undefined {
  return decodeLease({ metadata, spec })?.record;
}

test('a record is written as client-go writes it and read back', () => {
  const record: LeaseRecord = {
    holderIdentity: 'cp1',
    leaseDurationSeconds: 15,
    acquireTime: '2024-01-02T03:04:05.000006Z',
    renewTime: '2024-01-02T03:04:15.000006Z',
    leaseTransitions: 3,
  };
  const written = encodeLease('kube-system', 'plndr-cp-lock', record);
  assert.deepEqual(JSON.parse(JSON.stringify(written)), {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: 'kube-system', name: 'plndr-cp-lock' },
    spec: {
      holderIdentity: 'cp1',
      leaseDurationSeconds: 15,
      acquireTime: '2024-01-02T03:04:05.000006Z',
      renewTime: '2024-01-02T03:04:15.000006Z',
      leaseTransitions: 3,
    },
  });
  assert.deepEqual(decodeSpec(written.spec), record);
});

test('what is absent or null means that nobody holds it', () => {
  for (const spec of [undefined, null, {}, { holderIdentity: null, leaseDurationSeconds: null, renewTime: null }]) {
    assert.deepEqual(decodeSpec(spec), nobody);
  }
});

test('numbers below 0 read as 0, times that are no text as absent', () => {
  const odd = { leaseDurationSeconds: -5, leaseTransitions: -1, acquireTime: 7, renewTime: {} };
  assert.deepEqual(decodeSpec({ ...odd, holderIdentity: 'cp1' }), { ...nobody, holderIdentity: 'cp1' });
});

test('a holder that is no text, or a number that is none, is not a Lease: it never reads as free', () => {
  const specs = [
    { holderIdentity: 7 },
    { holderIdentity: ['cp1'] },
    { holderIdentity: 'cp1', leaseDurationSeconds: '15' },
    { holderIdentity: 'cp1', leaseDurationSeconds: 1.5 },
    { holderIdentity: 'cp1', leaseDurationSeconds: 2 ** 31 },
    { holderIdentity: 'cp1', leaseTransitions: true },
    'spec',
    [],
  ];
  for (const spec of specs) assert.equal(decodeSpec(spec), undefined, JSON.stringify(spec));
  assert.equal(decodeLease({ metadata: { name: 'x' }, spec: {} }), undefined);
  assert.equal(decodeLease({ metadata: { ...metadata, resourceVersion: 42 }, spec: {} }), undefined);
});

test('any JSON decodes to a record of the right types or to nothing', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (spec, other) => {
      for (const object of [
        spec,
        { metadata, spec },
        { metadata: other, spec },
        { metadata, spec: { ...asObject(spec) } },
      ]) {
        const record = decodeLease((asObject(object) ?? {}) as JsonObject)?.record;
        if (record === undefined) continue;
        assert.equal(typeof record.holderIdentity, 'string');
        for (const number of [record.leaseDurationSeconds, record.leaseTransitions]) {
          assert.ok(Number.isInteger(number) && number >= 0);
        }
      }
    }),
  );
});

test('replacing the record keeps all that others wrote, newer fields too, under the observed version', () => {
  const object = {
    metadata: { ...metadata, uid: 'u', annotations: { a: 'b' }, managedFields: [{ manager: 'x' }] },
    spec: { holderIdentity: 'cp1', strategy: 'OldestEmulationVersion', acquireTime: 'then' },
    future: [1],
  };
  const observed: ObservedLease = { record: nobody, resourceVersion: '43', object };
  const written = JSON.parse(JSON.stringify(replaceRecord(observed, { ...nobody, holderIdentity: 'cp2' })));
  assert.deepEqual(written, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...object.metadata, resourceVersion: '43' },
    spec: { holderIdentity: 'cp2', leaseDurationSeconds: 0, leaseTransitions: 0, strategy: 'OldestEmulationVersion' },
    future: [1],
  });
});
