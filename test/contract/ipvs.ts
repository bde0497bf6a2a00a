import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { planServices, type WantedService } from '../../src/ipvs/plan.js';
import type { Ipvs, IpvsCommand, IpvsScheduler, PresentService } from '../../src/kernel/ports.js';
import { endpoint, type Ip } from '../../src/net/ip.js';

const vip = { ip: '192.0.2.100' as Ip, port: 6443 };
const vip6 = { ip: '2001:db8:1::100' as Ip, port: 6443 };
const cp2 = { ip: '192.0.2.2' as Ip, port: 6443, weight: 1 };
const cp3 = { ip: '192.0.2.3' as Ip, port: 8443, weight: 1 };
const cp6 = { ip: '2001:db8:1::2' as Ip, port: 6443, weight: 1 };

/** What every Ipvs does, fake or real. The table is empty at the start. */
export function ipvsContract(name: string, ipvs: Ipvs): void {
  describe(`Ipvs contract: ${name}`, () => {
    const empty = async () => {
      for (const service of [vip, vip6]) await ipvs.apply([{ kind: 'remove-service', service }]);
    };
    beforeEach(empty);
    afterEach(empty);

    test('says that it is there, and leaves nothing behind', async () => {
      for (const scheduler of ['rr', 'lc', 'wrr', 'wlc'] as const) {
        const support = await ipvs.probe(scheduler);
        assert.ok(support.ok);
        assert.match(support.version, /^\d+\.\d+\.\d+$/);
      }
      assert.deepEqual(await ipvs.services(), []);
    });

    test('a service is read as it was added, of either family', async () => {
      await ipvs.apply([
        { kind: 'add-service', service: vip, scheduler: 'rr' },
        { kind: 'add-destination', service: vip, destination: cp2 },
        { kind: 'add-destination', service: vip, destination: { ...cp3, weight: 0 } },
        { kind: 'add-service', service: vip6, scheduler: 'lc' },
        { kind: 'add-destination', service: vip6, destination: cp6 },
      ]);
      assert.deepEqual(await tell(ipvs, vip), ['rr', '192.0.2.2:6443 1', '192.0.2.3:8443 0']);
      assert.deepEqual(await tell(ipvs, vip6), ['lc', '[2001:db8:1::2]:6443 1']);
      const service = (await ipvs.read(vip)) as PresentService;
      assert.ok(service.plain && service.destinations.every(({ plain }) => plain));
      assert.equal(service.counters.connections, 0n);
      assert.deepEqual(
        service.destinations.map(({ active, inactive }) => [active, inactive]),
        [
          [0, 0],
          [0, 0],
        ],
      );
      const named = (await ipvs.services()).map((s) => (s.kind === 'address' ? endpoint(s.ip, s.port) : s.mark));
      assert.deepEqual(named.sort(), ['192.0.2.100:6443', '[2001:db8:1::100]:6443']);
    });

    test('what is already so is success', async () => {
      const commands: readonly IpvsCommand[] = [
        { kind: 'remove-destination', service: vip, destination: cp2 },
        { kind: 'remove-service', service: vip },
        { kind: 'update-service', service: vip, scheduler: 'rr' },
        { kind: 'add-service', service: vip, scheduler: 'lc' },
        { kind: 'update-destination', service: vip, destination: cp2 },
        { kind: 'add-destination', service: vip, destination: { ...cp2, weight: 2 } },
        { kind: 'remove-destination', service: vip, destination: cp3 },
      ];
      for (const command of commands) await ipvs.apply([command, command]);
      assert.deepEqual(await tell(ipvs, vip), ['lc', '192.0.2.2:6443 2']);
    });

    test('a scheduler and weights are changed in place', async () => {
      const wanted = (scheduler: IpvsScheduler, weight: number) =>
        planServices([{ ...vip, scheduler, destinations: [{ ...cp2, weight }, cp3] }], [], () => true);
      await ipvs.apply(wanted('rr', 1));
      for (const [scheduler, weight] of [
        ['wrr', 256],
        ['wlc', 3],
        ['rr', 1],
      ] as const) {
        const present = (await ipvs.read(vip)) as PresentService;
        const destinations = [{ ...cp2, weight }, cp3];
        const commands = planServices([{ ...vip, scheduler, destinations }], [present], () => true);
        assert.deepEqual(
          commands.map(({ kind }) => kind),
          ['update-service', 'update-destination'],
        );
        await ipvs.apply(commands);
        assert.deepEqual(await tell(ipvs, vip), [scheduler, `192.0.2.2:6443 ${weight}`, '192.0.2.3:8443 1']);
      }
    });

    test('a service that is not there is undefined, and takes no destinations', async () => {
      assert.equal(await ipvs.read(vip), undefined);
      for (const kind of ['add-destination', 'update-destination'] as const) {
        await assert.rejects(ipvs.apply([{ kind, service: vip, destination: cp2 }]), { code: 'ESRCH' });
      }
    });

    test('a plan is taken as it is, and then there is nothing more to do', async () => {
      const wanted: readonly (readonly WantedService[])[] = [
        [{ ...vip, scheduler: 'rr', destinations: [cp2, cp3] }],
        [{ ...vip, scheduler: 'lc', destinations: [{ ...cp2, weight: 0 }] }],
        [
          { ...vip, scheduler: 'rr', destinations: [cp3] },
          { ...vip6, scheduler: 'rr', destinations: [cp6] },
        ],
        [],
      ];
      const present = async () => {
        const found = await Promise.all([vip, vip6].map((service) => ipvs.read(service)));
        return found.filter((service) => service !== undefined);
      };
      for (const services of wanted) {
        await ipvs.apply(planServices(services, await present(), () => true));
        assert.deepEqual(
          planServices(services, await present(), () => true),
          [],
        );
        assert.equal((await present()).length, services.length);
      }
    });
  });
}

async function tell(ipvs: Ipvs, name: typeof vip): Promise<readonly string[]> {
  const service = await ipvs.read(name);
  if (service === undefined) return [];
  const destinations = service.destinations.map(({ ip, port, weight }) => `${endpoint(ip, port)} ${weight}`);
  return [service.scheduler, ...destinations.sort()];
}
