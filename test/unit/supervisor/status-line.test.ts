import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusLine } from '../../../src/supervisor/status-line.js';
import type { VipStatus } from '../../../src/vip/status.js';

function vip(is: Partial<VipStatus>): VipStatus {
  return {
    name: 'web',
    addresses: ['10.0.0.100'],
    interface: 'eth0',
    role: 'follower',
    leader: undefined,
    since: '2024-01-01T00:00:00.000Z',
    because: 'starting',
    held: false,
    loadBalancer: { mode: 'off', because: 'configured', trouble: undefined, ports: [], backends: [] },
    ...is,
  };
}

test('one line says who leads each VIP', () => {
  const vips = [
    vip({ role: 'leader', leader: 'lb1', held: true, because: 'no-master' }),
    vip({ name: 'api', leader: 'lb2', because: 'follows' }),
    vip({ name: 'db', because: 'starting' }),
    vip({ name: 'dns', role: 'leader', leader: 'lb1', because: 'probing' }),
    vip({ name: 'mail', role: 'fault', because: 'link-down' }),
  ];
  assert.equal(
    statusLine({ vips }),
    'web: led here, on eth0; api: led by lb2; db: no leader known, starting; dns: led here, probing; mail: fault, link-down',
  );
});

test('a name that another host chose cannot give the supervisor an order', () => {
  const line = statusLine({ vips: [vip({ leader: 'lb2\nMAINPID=1\r\0' })] });
  assert.equal(line, 'web: led by lb2?MAINPID=1??');
});
