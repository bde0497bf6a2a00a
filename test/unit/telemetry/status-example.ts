import type { DaemonStatus, VipStatus } from '../../../src/vip/status.js';

/** A leader with two backends, of which one is down. */
export const vipExample: VipStatus = {
  name: 'api',
  addresses: ['192.168.1.100/32'],
  interface: 'eth0',
  role: 'leader',
  leader: 'cp1',
  since: '2024-01-01T00:00:00.000Z',
  because: 'lease-free',
  held: true,
  loadBalancer: {
    mode: 'proxy',
    because: 'configured',
    trouble: undefined,
    ports: [6443, 8443],
    backends: [
      {
        name: 'cp1',
        address: '192.168.1.101:6443',
        state: 'up',
        drained: false,
        connections: 12,
        lastCheck: { at: '2024-01-01T00:03:11.000Z', result: 'ok' },
      },
      {
        name: 'cp2',
        address: '192.168.1.102:6443',
        state: 'down',
        drained: false,
        connections: 0,
        lastCheck: undefined,
      },
    ],
  },
};

export const statusExample: DaemonStatus = { node: 'cp1', version: '1.2.3', vips: [vipExample] };
