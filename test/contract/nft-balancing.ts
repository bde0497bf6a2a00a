import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { BalancedBackend, BalancedService, NftBalancing } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';

export interface BalancingHost extends AsyncDisposable {
  readonly balancing: NftBalancing;
  /** The VIP, and three addresses where backends called by their position listen: `0`, `1`, `2`. */
  readonly vip: { readonly ip: Ip; readonly port: number };
  readonly backends: readonly { readonly ip: Ip; readonly port: number }[];
  /** A client connects to the VIP: the name of the backend that answers, or `refused`. */
  connect(): Promise<string>;
  /** Whether there is a table. */
  hasTable(): boolean;
}

/** What every NftBalancing does, fake or real. */
export function balancingContract(name: string, createHost: () => BalancingHost): void {
  describe(`NftBalancing contract: ${name}`, () => {
    let host: BalancingHost;
    beforeEach(() => {
      host = createHost();
    });
    afterEach(() => host[Symbol.asyncDispose]());

    const backend = (index: number, draining = false, weight = 1): BalancedBackend => {
      const at = host.backends[index];
      assert.ok(at);
      return { name: String(index), ...at, weight, draining };
    };
    const service = (...backends: readonly BalancedBackend[]): BalancedService => ({
      ...host.vip,
      scheduler: 'roundrobin',
      backends,
    });
    const connect = async (times: number) => {
      const names: string[] = [];
      for (let i = 0; i < times; i++) names.push(await host.connect());
      return names.sort().join(' ');
    };
    const totals = async () => (await host.balancing.stats()).map((s) => `${s.name}:${s.total}`).join(' ');

    test('connections go round the backends that take them; the others, and nobody, get none', async () => {
      await host.balancing.set([service(backend(0), backend(1), backend(2))]);
      assert.equal(await connect(6), '0 0 1 1 2 2');
      await host.balancing.set([service(backend(0), backend(1, true), backend(2))]);
      assert.equal(await connect(4), '0 0 2 2');
      await host.balancing.set([service(backend(1))]);
      assert.equal(await connect(2), '1 1');
      await host.balancing.set([service(backend(1, true))]);
      assert.equal(await connect(2), 'refused refused');
      await host.balancing.set([service()]);
      assert.equal(await connect(1), 'refused');
    });

    test('a backend has as many connections of a round as its weight, never all of them in a row; so at every change', async () => {
      const turns = async (times: number) => {
        const names: string[] = [];
        for (let i = 0; i < times; i++) names.push(await host.connect());
        return names.join('');
      };
      await host.balancing.set([service(backend(0, false, 6), backend(1, false, 2))]);
      const taken = await turns(16);
      assert.match(taken.repeat(2), /0010001000100010/);
      assert.equal(await totals(), '0:12 1:4');
      await host.balancing.set([service(backend(0, false, 1), backend(1, false, 2), backend(2, true, 200))]);
      assert.equal((await turns(6)).replaceAll('0', '').length, 4);
      assert.equal(await totals(), '0:14 1:8 2:0');
    });

    test('counters go on over changes as long as their backend is listed', async () => {
      await host.balancing.set([service(backend(0), backend(1))]);
      await connect(4);
      assert.equal(await totals(), '0:2 1:2');
      await host.balancing.set([service(backend(2), backend(1, true), backend(0))]);
      await connect(2);
      assert.equal(await totals(), '2:1 1:2 0:3');
      await host.balancing.set([service(backend(2))]);
      await host.balancing.set([service(backend(0), backend(2))]);
      assert.equal(await totals(), '0:0 2:1');
    });

    test('a backend of the other family is left out, a second one at the same address too', async () => {
      const other = { ...backend(0), ip: (host.vip.ip.includes(':') ? '192.0.2.7' : '2001:db8::7') as Ip };
      await host.balancing.set([service(other, backend(1), { ...backend(1), name: 'again' })]);
      assert.equal(await connect(2), '1 1');
      assert.equal(await totals(), '1:2');
    });

    test('without services there is no table, and nothing to count', async () => {
      await host.balancing.set([]);
      assert.equal(host.hasTable(), false);
      await host.balancing.set([service(backend(0))]);
      assert.equal(host.hasTable(), true);
      await Promise.all([[service(backend(1))], [], [service(backend(2))], []].map((s) => host.balancing.set(s)));
      assert.equal(host.hasTable(), false);
      assert.deepEqual(await host.balancing.stats(), []);
    });
  });
}
