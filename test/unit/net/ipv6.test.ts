import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../../src/net/ip.js';
import { allNodes, groupMac, solicitedNodeGroup } from '../../../src/net/ipv6.js';

test('RFC 4291 2.7.1: the solicited-node group has the last 24 bits of the address', () => {
  assert.equal(solicitedNodeGroup('4037::1:800:200e:8c6c' as Ip), 'ff02::1:ff0e:8c6c');
  assert.equal(solicitedNodeGroup('2001:db8::100' as Ip), 'ff02::1:ff00:100');
});

test('RFC 2464 7: frames to a group go to 33:33 and its last 32 bits', () => {
  assert.equal(groupMac(allNodes), '33:33:00:00:00:01');
  assert.equal(groupMac('ff02::1:ff0e:8c6c' as Ip), '33:33:ff:0e:8c:6c');
});
