import { createFakeLan } from '../fakes/packet-sockets.js';
import { packetSocketsContract } from './packet-sockets.js';

const lan = createFakeLan();
let link = 0;

for (const protocol of ['arp', 'ndp'] as const) {
  packetSocketsContract('simulated LAN', protocol, () => {
    link++;
    return { link, protocol, ...lan.join(link) };
  });
}
