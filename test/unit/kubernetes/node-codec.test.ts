import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asObject } from '../../../src/kubernetes/json.js';
import { decodeNode } from '../../../src/kubernetes/node-codec.js';
import { parseIp } from '../../../src/net/ip.js';

test('internal addresses of both families in their order, and the Ready condition', () => {
  const status = {
    addresses: [
      { type: 'Hostname', address: 'cp1' },
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'ExternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: 'FD00:0:0::1' },
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'InternalIP', address: 'not an address' },
    ],
    conditions: [
      { type: 'DiskPressure', status: 'False' },
      { type: 'Ready', status: 'True' },
    ],
  };
  assert.deepEqual(decodeNode('cp1', { status }), {
    name: 'cp1',
    internalIps: ['10.0.0.1', 'fd00::1'],
    ready: true,
  });
});

test('Ready is True or it is not', () => {
  for (const status of ['False', 'Unknown', true, undefined]) {
    assert.equal(decodeNode('cp1', { status: { conditions: [{ type: 'Ready', status }] } }).ready, false);
  }
});

test('any JSON decodes, to addresses only', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (status, entry) => {
      for (const object of [{ status }, { status: { addresses: [entry, null], conditions: [entry] } }]) {
        const node = decodeNode('cp1', asObject(object) ?? {});
        assert.ok(node.internalIps.every((ip) => parseIp(ip) === ip));
      }
    }),
  );
});
