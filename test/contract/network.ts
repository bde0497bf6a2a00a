import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { KernelError } from '../../src/kernel/errors.js';
import type { InterfaceAddress, Lifetime, Link, Network, NetworkChange } from '../../src/kernel/ports.js';
import type { Family, Ip } from '../../src/net/ip.js';
import { hostPrefix } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';

/** A host to try a Network on: one Ethernet interface that is up, without addresses of ours and without routes. */
export interface NetworkHost extends AsyncDisposable {
  readonly network: Network;
  readonly link: Link;
  /** What others do to the host. */
  deleteAddress(address: InterfaceAddress): Promise<void>;
  setUp(up: boolean): Promise<void>;
  /** Makes this interface, or one with a worse metric, that of the default route. */
  setDefaultRoutes(family: Family): Promise<void>;
  removeLink(): Promise<void>;
  /** Lets time pass until the condition holds; fails when it does not within 3 s. */
  until(condition: () => boolean, what: string): Promise<unknown>;
}

const vips: readonly Ip[] = ['192.0.2.100' as Ip, '2001:db8::100' as Ip];

/** What every Network does, fake or real. */
export function networkContract(name: string, createHost: () => Promise<NetworkHost>): void {
  describe(`Network contract: ${name}`, () => {
    let host: NetworkHost;
    let changes: NetworkChange[];
    let watch: Disposable;

    beforeEach(async () => {
      host = await createHost();
      changes = [];
      watch = host.network.watch((change) => changes.push(change));
    });
    afterEach(async () => {
      watch[Symbol.dispose]();
      await host[Symbol.asyncDispose]();
    });

    const vip = (ip: Ip, lifetime: Lifetime) => ({
      ip,
      prefixLength: hostPrefix(ip),
      link: host.link.index,
      lifetime,
    });
    const find = async (ip: Ip) => (await host.network.addresses()).find((address) => address.ip === ip);
    const seen = (kind: NetworkChange['kind'], ip: Ip) =>
      changes.filter((change) =>
        change.kind === 'address-added'
          ? kind === change.kind && change.address.ip === ip
          : change.kind === 'address-removed' && kind === change.kind && change.ip === ip,
      ).length;

    test('lists the interface', async () => {
      const link = (await host.network.links()).find(({ index }) => index === host.link.index);
      assert.deepEqual(link, host.link);
      assert.equal(link?.up, true);
    });

    test('put addresses are there, deprecated, marked as ours, with their whole seconds', async () => {
      for (const ip of vips) {
        const put = vip(ip, 'forever');
        await host.network.putAddress(put);
        assert.deepEqual(await find(ip), { ...put, deprecated: true, protocol: 118 });
        await host.network.putAddress(vip(ip, millis(20_999)));
        const limited = await find(ip);
        assert.ok(limited?.lifetime === 20_000 || limited?.lifetime === 19_000, String(limited?.lifetime));
        assert.deepEqual({ ...limited, lifetime: 0 }, { ...put, lifetime: 0, deprecated: true, protocol: 118 });
      }
    });

    test('of several puts in one turn each is there', async () => {
      await Promise.all(vips.map((ip) => host.network.putAddress(vip(ip, millis(20_000)))));
      for (const ip of vips) assert.notEqual(await find(ip), undefined, ip);
    });

    test('an address that is not refreshed goes by itself, and that is reported', async () => {
      for (const ip of vips) await host.network.putAddress(vip(ip, millis(1000)));
      await host.until(() => vips.every((ip) => seen('address-removed', ip) === 1), 'both are reported as removed');
      for (const ip of vips) assert.equal(await find(ip), undefined, ip);
    });

    test('a lifetime below one second is one second', async () => {
      const ip = '192.0.2.100' as Ip;
      await host.network.putAddress(vip(ip, millis(1)));
      assert.notEqual(await find(ip), undefined);
      await host.until(() => seen('address-removed', ip) === 1, 'it is reported as removed');
    });

    test('a refreshed address stays, and only the first put is reported as added', async () => {
      for (const ip of vips) {
        await host.network.putAddress(vip(ip, millis(1000)));
        await host.network.putAddress(vip(ip, millis(20_000)));
        await host.network.putAddress(vip(ip, 'forever'));
        assert.equal((await find(ip))?.lifetime, 'forever');
        await host.network.putAddress(vip(ip, millis(2000)));
        await host.network.removeAddress(vip(ip, 'forever'));
        await host.until(() => seen('address-removed', ip) === 1, 'it is reported as removed');
        assert.equal(seen('address-added', ip), 1, ip);
      }
    });

    test('removing is success when the address or the interface is not there', async () => {
      for (const ip of vips) {
        await host.network.putAddress(vip(ip, 'forever'));
        await host.network.removeAddress(vip(ip, 'forever'));
        assert.equal(await find(ip), undefined);
        await host.network.removeAddress(vip(ip, 'forever'));
        await host.network.removeAddress({ ...vip(ip, 'forever'), link: 999_999 });
      }
    });

    test('an interface that is not there refuses an address with ENODEV', async () => {
      for (const ip of vips) {
        await assert.rejects(
          host.network.putAddress({ ...vip(ip, 'forever'), link: 999_999 }),
          (error: KernelError) => {
            assert.deepEqual([error.name, error.code], ['KernelError', 'ENODEV']);
            return true;
          },
        );
      }
    });

    test('an address deleted by someone else is reported', async () => {
      for (const ip of vips) {
        await host.network.putAddress(vip(ip, 'forever'));
        await host.deleteAddress((await find(ip)) as InterfaceAddress);
        await host.until(() => seen('address-removed', ip) === 1, 'it is reported as removed');
      }
    });

    test('the interface going down and up is reported', async () => {
      const states = () => changes.flatMap((change) => (change.kind === 'link' ? [change.link.up] : []));
      await host.setUp(false);
      await host.until(() => states().at(-1) === false, 'it is reported as down');
      assert.equal((await host.network.links()).find(({ index }) => index === host.link.index)?.up, false);
      await host.setUp(true);
      await host.until(() => states().at(-1) === true, 'it is reported as up');
    });

    test('an interface that goes away takes its addresses with it', async () => {
      await host.network.putAddress(vip('192.0.2.100' as Ip, 'forever'));
      await host.removeLink();
      await host.until(
        () => changes.some(({ kind }) => kind === 'link-removed'),
        'the interface is reported as removed',
      );
      assert.equal(seen('address-removed', '192.0.2.100' as Ip), 1);
      assert.equal(await find('192.0.2.100' as Ip), undefined);
    });

    test('the default route with the lowest metric names the interface', async () => {
      for (const family of [4, 6] as const) {
        assert.equal(await host.network.defaultRouteLink(family), undefined);
        await host.setDefaultRoutes(family);
        assert.equal(await host.network.defaultRouteLink(family), host.link.index);
      }
    });

    test('a disposed watch is silent', async () => {
      const ip = '192.0.2.100' as Ip;
      let other = 0;
      using second = host.network.watch(() => other++);
      assert.ok(second);
      watch[Symbol.dispose]();
      await host.network.putAddress(vip(ip, 'forever'));
      await host.until(() => other > 0, 'the other watch hears of it');
      assert.deepEqual(changes, []);
    });
  });
}
