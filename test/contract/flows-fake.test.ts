import type { Ip } from '../../src/net/ip.js';
import { createFakeFlows } from '../fakes/flows.js';
import { flowsContract } from './flows.js';

flowsContract('in memory', async () => {
  const flows = createFakeFlows();
  const service = { ip: '192.0.2.100' as Ip, port: 6443 };
  const client = { ip: '192.0.2.9' as Ip, port: 1 };
  return {
    flows,
    service,
    backends: [
      { ip: '192.0.2.2' as Ip, port: 6443 },
      { ip: '192.0.2.3' as Ip, port: 6443 },
    ],
    async connect(backend, count, phase) {
      const flow = { service, backend, phase, answersTo: client, identity: new Uint8Array() };
      flows.present.push(...Array.from({ length: count }, (_, i) => ({ ...flow, client: { ...client, port: i + 1 } })));
    },
    resets: async (backend) => flows.wereReset.filter((flow) => flow.backend.ip === backend.ip).length,
    async [Symbol.asyncDispose]() {},
  };
});
