import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planServices, type WantedService } from '../../../src/ipvs/plan.js';
import type { Endpoint, IpvsCommand, PresentService } from '../../../src/kernel/ports.js';
import { endpoint, type Ip } from '../../../src/net/ip.js';
import { createFakeIpvs, noCounters } from '../../fakes/ipvs.js';

const vip = { ip: '192.0.2.100' as Ip, port: 6443 };
const backends = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((ip) => ({ ip: ip as Ip, port: 6443, weight: 1 }));
const [cp1, cp2, cp3] = backends as [(typeof backends)[0], (typeof backends)[0], (typeof backends)[0]];
const everythingIsOurs = () => true;

function wanted(...destinations: WantedService['destinations']): WantedService {
  return { ...vip, scheduler: 'rr', destinations };
}

function present(...destinations: WantedService['destinations']): PresentService {
  const rest = { plain: true, counters: noCounters };
  const listed = destinations.map((d) => ({ ...d, ...rest, active: 0, inactive: 0 }));
  return { ...vip, ...rest, scheduler: 'rr', destinations: listed };
}

/** A plan as an operator would tell it. */
function tell(commands: readonly IpvsCommand[]): readonly string[] {
  return commands.map((command) => {
    const { kind, service } = command;
    if (!('destination' in command)) return `${kind} ${endpoint(service.ip, service.port)}`;
    const { ip, port, ...rest } = command.destination;
    return [kind, endpoint(ip, port), ...('weight' in rest ? [rest.weight] : [])].join(' ');
  });
}

test('a service that is not there comes with its destinations, those that serve first', () => {
  assert.deepEqual(tell(planServices([wanted({ ...cp1, weight: 0 }, cp2, cp3)], [], everythingIsOurs)), [
    'add-service 192.0.2.100:6443',
    'add-destination 192.0.2.2:6443 1',
    'add-destination 192.0.2.3:6443 1',
    'add-destination 192.0.2.1:6443 0',
  ]);
});

test('what comes is there before what is drained, and that before what goes', () => {
  assert.deepEqual(tell(planServices([wanted({ ...cp1, weight: 0 }, cp3)], [present(cp1, cp2)], everythingIsOurs)), [
    'add-destination 192.0.2.3:6443 1',
    'update-destination 192.0.2.1:6443 0',
    'remove-destination 192.0.2.2:6443',
  ]);
});

test('what others made of our service is mended', () => {
  const service = present(cp1, cp2);
  const spoiled = [
    { ...service, scheduler: 'wlc' },
    { ...service, plain: false },
    { ...service, destinations: service.destinations.map((d) => ({ ...d, plain: d.ip === cp1.ip })) },
  ];
  assert.deepEqual(
    spoiled.map((actual) => tell(planServices([wanted(cp1, cp2)], [actual], everythingIsOurs))),
    [['update-service 192.0.2.100:6443'], ['update-service 192.0.2.100:6443'], ['update-destination 192.0.2.2:6443 1']],
  );
});

test('a service of ours that is not wanted goes last; others stay', () => {
  const old = { ...present(cp1), port: 9345 };
  const foreign = { ...present(cp1), ip: '198.51.100.1' as Ip };
  const isOurs = ({ ip }: Endpoint) => ip === vip.ip;
  assert.deepEqual(tell(planServices([wanted(cp1)], [old, foreign], isOurs)), [
    'add-service 192.0.2.100:6443',
    'add-destination 192.0.2.1:6443 1',
    'remove-service 192.0.2.100:9345',
  ]);
});

const addresses = (...texts: readonly string[]) => texts as readonly Ip[];
const ips = addresses('192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2');
const port = fc.constantFrom(6443, 9345);
const options = { noNullPrototype: true };
const destination = fc.record({ ip: fc.constantFrom(...ips), port, weight: fc.nat({ max: 2 }) }, options);
const selector = (e: Endpoint) => endpoint(e.ip, e.port);
const scheduler = fc.constantFrom('rr' as const, 'lc' as const);
const ourIps = addresses('192.0.2.100', '2001:db8::100');
const foreignIps = addresses('198.51.100.1', '2001:db8:1::1');
const wantedServices = fc.uniqueArray(
  fc.record({ ip: fc.constantFrom(...ourIps), port, scheduler, destinations: fc.array(destination) }, options),
  { selector },
);
const presentDestination = fc
  .tuple(destination, fc.boolean())
  .map(([d, plain]) => ({ ...d, plain, active: 1, inactive: 2, counters: noCounters }));
const presentServices = fc.uniqueArray(
  fc.record(
    {
      ip: fc.constantFrom(...ourIps, ...foreignIps),
      port,
      scheduler: fc.oneof(scheduler, fc.constant('sh')),
      plain: fc.boolean(),
      counters: fc.constant(noCounters),
      destinations: fc.uniqueArray(presentDestination, { selector }),
    },
    options,
  ),
  { selector },
);
const isOurs = ({ ip }: Endpoint) => ourIps.includes(ip);

test('a plan makes of anything what is wanted, leaves others alone, and then has nothing more to say', async () => {
  await fc.assert(
    fc.asyncProperty(wantedServices, presentServices, async (services, table) => {
      const ipvs = createFakeIpvs();
      ipvs.table = table;
      await ipvs.apply(planServices(services, table, isOurs));
      assert.deepEqual(ipvs.table.filter(isOurs).map(shape).sort(), services.map(shape).sort());
      assert.ok(ipvs.table.filter(isOurs).every((s) => s.plain && s.destinations.every((d) => d.plain)));
      assert.deepEqual(
        ipvs.table.filter((service) => !isOurs(service)),
        table.filter((service) => !isOurs(service)),
      );
      assert.deepEqual(planServices(services, ipvs.table, isOurs), []);
    }),
  );
});

test('a service that has destinations before and after is never without one on the way', async () => {
  const serves = (service: PresentService | undefined) => service?.destinations.some((d) => d.weight > 0) ?? false;
  await fc.assert(
    fc.asyncProperty(wantedServices, presentServices, async (services, table) => {
      const ipvs = createFakeIpvs();
      ipvs.table = table;
      const steady: Endpoint[] = [];
      for (const service of services) {
        const before = serves(await ipvs.read(service));
        const weights = new Map(service.destinations.map((d) => [selector(d), d.weight]));
        if (before && [...weights.values()].some((weight) => weight > 0)) steady.push(service);
      }
      for (const command of planServices(services, table, isOurs)) {
        await ipvs.apply([command]);
        for (const service of steady) assert.ok(serves(await ipvs.read(service)));
      }
    }),
  );
});

/** What of a service vipd decides, in one text. */
function shape(service: Pick<PresentService, 'ip' | 'port' | 'scheduler' | 'destinations'> | WantedService): string {
  const destinations = new Map(service.destinations.map((d) => [selector(d), d.weight]));
  const listed = [...destinations].sort().map(([to, weight]) => `${to} ${weight}`);
  return [selector(service), service.scheduler, ...listed].join(', ');
}
