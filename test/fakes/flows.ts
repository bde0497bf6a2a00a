import { KernelError } from '../../src/kernel/errors.js';
import type { BackendFlows, Flows } from '../../src/kernel/ports.js';
import { endpoint, type Ip } from '../../src/net/ip.js';

interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

export interface FakeFlow {
  readonly service: Endpoint;
  readonly backend: Endpoint;
  readonly phase: 'opening' | 'open';
}

/** Connections in memory. */
export interface FakeFlows extends Flows {
  readonly present: FakeFlow[];
  /** The open ones that were reset, in this order. */
  readonly wereReset: readonly FakeFlow[];
  /** While set, every `reset` is refused with this code and changes nothing. */
  refusal: string | undefined;
}

export function createFakeFlows(): FakeFlows {
  const wereReset: FakeFlow[] = [];
  const flows: FakeFlows = {
    present: [],
    wereReset,
    refusal: undefined,
    async open(service) {
      const counts = new Map<string, BackendFlows>();
      for (const flow of flows.present) {
        if (!isAt(flow.service, service) || flow.phase !== 'open') continue;
        const key = endpoint(flow.backend.ip, flow.backend.port);
        counts.set(key, { ...flow.backend, open: (counts.get(key)?.open ?? 0) + 1 });
      }
      return [...counts.values()];
    },
    async reset(service, backend, which) {
      if (flows.refusal !== undefined) throw new KernelError('delete connections', flows.refusal);
      const concerned = flows.present.filter(
        (flow) =>
          isAt(flow.service, service) &&
          (backend === undefined || isAt(flow.backend, backend)) &&
          (which === 'all' || flow.phase === 'opening'),
      );
      for (const flow of concerned) flows.present.splice(flows.present.indexOf(flow), 1);
      const open = concerned.filter(({ phase }) => phase === 'open');
      wereReset.push(...open);
      return open.length;
    },
  };
  return flows;
}

function isAt(a: Endpoint, b: Endpoint): boolean {
  return a.ip === b.ip && a.port === b.port;
}
