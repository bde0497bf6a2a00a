import { KernelError } from '../../src/kernel/errors.js';
import type { Flow, Flows } from '../../src/kernel/ports.js';

/** Connections in memory. */
export interface FakeFlows extends Flows {
  readonly present: Flow[];
  /** The open ones that were reset, in this order. */
  readonly wereReset: readonly Flow[];
  /** While set, every `reset` is refused with this code and changes nothing. */
  refusal: string | undefined;
}

export function createFakeFlows(): FakeFlows {
  const wereReset: Flow[] = [];
  const flows: FakeFlows = {
    present: [],
    wereReset,
    refusal: undefined,
    async find(service, backend) {
      return flows.present.filter(
        (flow) => isAt(flow.service, service) && (backend === undefined || isAt(flow.backend, backend)),
      );
    },
    async reset(wanted, which) {
      if (flows.refusal !== undefined) throw new KernelError('delete connections', flows.refusal);
      const concerned = wanted.filter(({ phase }) => which === 'all' || phase !== 'open');
      for (const flow of concerned) {
        const index = flows.present.indexOf(flow);
        if (index >= 0) flows.present.splice(index, 1);
      }
      const open = concerned.filter(({ phase }) => phase === 'open');
      wereReset.push(...open);
      return open.length;
    },
  };
  return flows;
}

function isAt(a: Flow['service'], b: Flow['service']): boolean {
  return a.ip === b.ip && a.port === b.port;
}
