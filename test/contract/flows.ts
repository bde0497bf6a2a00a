import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Flow, Flows } from '../../src/kernel/ports.js';

type Endpoint = Flow['service'];

export interface FlowsHost extends AsyncDisposable {
  readonly flows: Flows;
  readonly service: Endpoint;
  readonly backends: readonly [Endpoint, Endpoint];
  /** Opens connections, or begins to, through the service to a backend. From now on no new ones go there. */
  connect(backend: Endpoint, count: number, phase: 'opening' | 'open'): Promise<void>;
  /** How many of the open connections to a backend were reset, as the clients saw it. Waits until it is that many. */
  resets(backend: Endpoint, count: number): Promise<number>;
}

/** What every Flows does, fake or real. */
export function flowsContract(name: string, createHost: () => Promise<FlowsHost>): void {
  describe(`Flows contract: ${name}`, () => {
    let host: FlowsHost;
    beforeEach(async () => {
      host = await createHost();
    });
    afterEach(() => host[Symbol.asyncDispose]());

    const phases = async (backend?: Endpoint) =>
      (await host.flows.find(host.service, backend)).map(({ phase }) => phase).join(' ');

    test('connections are found by service and backend, and reset for one backend or all', async () => {
      const { flows, service, backends } = host;
      const [first, second] = backends;
      assert.deepEqual(await flows.find(service), []);
      await host.connect(first, 3, 'open');
      await host.connect(second, 2, 'open');
      assert.equal(await phases(first), 'open open open');
      assert.equal(await phases(second), 'open open');
      assert.equal(await phases(), 'open open open open open');
      assert.deepEqual(await flows.find({ ...service, port: service.port + 1 }), []);
      const found = await flows.find(service, second);
      assert.deepEqual(
        found.map((flow) => [flow.service, flow.backend]),
        Array(2).fill([service, second]),
      );
      assert.equal(await flows.reset(found, 'all'), 2);
      assert.equal(await host.resets(second, 2), 2);
      assert.equal(await host.resets(first, 0), 0);
      assert.equal(await phases(second), '');
      assert.equal(await flows.reset([], 'all'), 0);
      assert.equal(await flows.reset(await flows.find(service), 'all'), 3);
      assert.equal(await host.resets(first, 3), 3);
      assert.equal(await phases(), '');
    });

    test('those that are not established yet can be forgotten alone', async () => {
      const { flows, service, backends } = host;
      const [first, second] = backends;
      await host.connect(first, 2, 'open');
      await host.connect(second, 1, 'opening');
      assert.equal(await phases(second), 'opening');
      assert.equal(await flows.reset(await flows.find(service), 'opening'), 0);
      assert.equal(await phases(first), 'open open');
      assert.equal(await host.resets(first, 0), 0);
    });
  });
}
