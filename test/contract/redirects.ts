import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Redirect, Redirects } from '../../src/kernel/ports.js';
import type { Ip } from '../../src/net/ip.js';

export interface RedirectsHost extends AsyncDisposable {
  readonly redirects: Redirects;
  /** What the table holds, or undefined when there is no table. */
  table(): Promise<readonly Redirect[] | undefined>;
}

const api: Redirect = { ip: '192.0.2.100' as Ip, port: 6443, toPort: 16443 };
const api6: Redirect = { ip: '2001:db8::100' as Ip, port: 6443, toPort: 16443 };
const registration: Redirect = { ip: '192.0.2.100' as Ip, port: 9345, toPort: 19345 };

/** What every Redirects does, fake or real. */
export function redirectsContract(name: string, createHost: () => RedirectsHost): void {
  describe(`Redirects contract: ${name}`, () => {
    let host: RedirectsHost;
    beforeEach(() => {
      host = createHost();
    });
    afterEach(() => host[Symbol.asyncDispose]());

    test('the table holds exactly what was set last', async () => {
      for (const redirects of [[api, api6], [registration], [registration, api, api6], [{ ...api, toPort: 1 }]]) {
        await host.redirects.set(redirects);
        assert.deepEqual(await host.table(), redirects);
      }
    });

    test('without redirects there is no table', async () => {
      await host.redirects.set([]);
      assert.equal(await host.table(), undefined);
      await host.redirects.set([api]);
      await host.redirects.set([]);
      assert.equal(await host.table(), undefined);
      await host.redirects.set([]);
      await host.redirects.set([api6]);
      assert.deepEqual(await host.table(), [api6]);
    });

    test('of several calls in one turn the last one counts', async () => {
      await Promise.all([[api], [], [api6], [registration], [api, registration]].map(host.redirects.set));
      assert.deepEqual(await host.table(), [api, registration]);
      await Promise.all([[api], []].map(host.redirects.set));
      assert.equal(await host.table(), undefined);
    });
  });
}
