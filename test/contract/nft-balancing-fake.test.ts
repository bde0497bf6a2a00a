import type { Ip } from '../../src/net/ip.js';
import { createFakeNftBalancing } from '../fakes/nft-balancing.js';
import { balancingContract } from './nft-balancing.js';

balancingContract('in memory', () => {
  const balancing = createFakeNftBalancing();
  const vip = { ip: '192.0.2.100' as Ip, port: 6443 };
  return {
    balancing,
    vip,
    backends: [1, 2, 3].map((number) => ({ ip: `192.0.2.${number}` as Ip, port: 6443 })),
    connect: async () => balancing.connect(vip.ip, vip.port),
    hasTable: () => balancing.services !== undefined,
    async [Symbol.asyncDispose]() {},
  };
});
