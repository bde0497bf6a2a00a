import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import type { VrrpConfig } from '../../src/vrrp/config.js';

/** Virtual router 51 with one address, v3, priority 100, one second, all else as it is by default. */
export const vrrpConfig: VrrpConfig = {
  version: 3,
  virtualRouterId: 51,
  priority: 100,
  advertInterval: millis(1000),
  preempt: true,
  preemptDelay: millis(0),
  authPass: '',
  unicastPeers: [],
  checksum: 'keepalived',
  addresses: ['192.0.2.100' as Ip],
};
