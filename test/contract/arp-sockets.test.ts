import { createFakeArpLan } from '../fakes/arp-sockets.js';
import { arpSocketsContract } from './arp-sockets.js';

const lan = createFakeArpLan();
let link = 0;

arpSocketsContract('simulated LAN', () => {
  link++;
  return { link, ...lan.join(link) };
});
