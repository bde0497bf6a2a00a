import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Flows } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';

interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

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

    const open = async () => (await host.flows.open(host.service)).map((f) => `${f.ip}:${f.open}`).sort();

    test('open connections are counted by backend and reset for one of them, or all', async () => {
      const { flows, service, backends } = host;
      const [first, second] = backends;
      assert.deepEqual(await open(), []);
      await host.connect(first, 3, 'open');
      await host.connect(second, 2, 'open');
      assert.deepEqual(await open(), [`${first.ip}:3`, `${second.ip}:2`]);
      assert.deepEqual(await flows.open({ ...service, port: service.port + 1 }), []);
      assert.equal(await flows.reset(service, second, 'all'), 2);
      assert.equal(await host.resets(second, 2), 2);
      assert.equal(await host.resets(first, 0), 0);
      assert.deepEqual(await open(), [`${first.ip}:3`]);
      assert.equal(await flows.reset(service, second, 'all'), 0);
      assert.equal(await flows.reset(service, undefined, 'all'), 3);
      assert.equal(await host.resets(first, 3), 3);
      assert.deepEqual(await open(), []);
    });

    test('those that are not established are no open connections: only they are forgotten when asked so', async () => {
      const { flows, service, backends } = host;
      const [first, second] = backends;
      await host.connect(first, 2, 'open');
      await host.connect(second, 1, 'opening');
      assert.deepEqual(await open(), [`${first.ip}:2`]);
      assert.equal(await flows.reset(service, undefined, 'opening'), 0);
      assert.deepEqual(await open(), [`${first.ip}:2`]);
      assert.equal(await host.resets(first, 0), 0);
    });
  });
}
