import type { Control, DrainRequest } from '../../../src/admin/control.js';
import { statusExample } from '../telemetry/status-example.js';

export interface FakeControl extends Control {
  readonly drained: DrainRequest[];
}

/** A daemon that has what `statusExample` says and does what it is asked to; what it was asked to drain is in `drained`. */
export function createFakeControl(change: Partial<Control> = {}): FakeControl {
  const drained: DrainRequest[] = [];
  return {
    drained,
    status: () => statusExample,
    setDraining(request) {
      drained.push(request);
      return { ok: true, changes: [`api: ${request.backend} ${request.draining ? 'draining' : 'up'}`] };
    },
    upgrade: async () => ({ ok: true, changes: ['process 4711, vipd 2, goes on'] }),
    reload: async () => ({ ok: true, changes: [] }),
    ...change,
  };
}
