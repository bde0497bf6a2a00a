import type { Ip } from '../../src/net/ip.js';
import { createFakeVrrpLan } from '../fakes/vrrp-sockets.js';
import { vrrpSocketsContract } from './vrrp-sockets.js';

const lan = createFakeVrrpLan();
let link = 0;

for (const family of [4, 6] as const) {
  vrrpSocketsContract('simulated LAN', family, () => {
    link++;
    const ip = (family === 4 ? `192.0.2.${link}` : `fe80::${link}`) as Ip;
    return { link, ip, ...lan.join(link, [ip]) };
  });
}
