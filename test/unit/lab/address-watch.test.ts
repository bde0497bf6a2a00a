import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddressEvent } from '../../../src/lab/address-watch.js';

const time = '2024-11-21T07:41:31.907525';
const at = Date.parse('2024-11-21T07:41:31Z') + 907.525;

test('an added or refreshed address', () => {
  const text = `[${time}] 2: eth0    inet 10.77.0.100/32 scope host dynamic eth0\\       valid_lft 3sec preferred_lft 0sec`;
  const address = { ip: '10.77.0.100', prefixLength: 32 };
  assert.deepEqual(parseAddressEvent(text), { at, kind: 'put', address, interface: 'eth0' });
});

test('a removed address', () => {
  const text = `[${time}] Deleted 2: eth0    inet6 fd00::1/128 scope global \\       valid_lft forever preferred_lft forever`;
  const address = { ip: 'fd00::1', prefixLength: 128 };
  assert.deepEqual(parseAddressEvent(text), { at, kind: 'removed', address, interface: 'eth0' });
});

test('anything else is nothing', () => {
  for (const text of ['', 'Deleted', `[${time}] 2: eth0 inet nonsense scope`, '[garbled]']) {
    assert.equal(parseAddressEvent(text), undefined);
  }
});
