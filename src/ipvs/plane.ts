import type { IpvsScheduler, PresentService } from '../kernel/ports.js';
import { familyOf, type Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { DataPlane, PlaneBackend, PlaneConfig, PlaneStats } from '../vip/data-plane.js';
import type { IpvsDriver } from './driver.js';
import type { WantedService } from './plan.js';

/** Those without weights where there are none: kernels have them more often. */
export function ipvsScheduler({ scheduler, weighted }: Pick<PlaneConfig, 'scheduler' | 'weighted'>): IpvsScheduler {
  if (scheduler === 'leastconn') return weighted ? 'wlc' : 'lc';
  return weighted ? 'wrr' : 'rr';
}

/** IPVS as the data plane of one VIP: nothing of a connection enters this process. */
export function createIpvsPlane(parts: {
  readonly ips: readonly Ip[];
  readonly config: PlaneConfig;
  readonly driver: IpvsDriver;
  readonly log: Log;
}): DataPlane {
  const { ips, driver, log } = parts;
  let { config } = parts;
  let backends: readonly PlaneBackend[] = [];
  let isOpen = false;
  let counted: PlaneStats = { refused: undefined, backends: [] };

  function services(): readonly WantedService[] {
    return ips.flatMap((ip) =>
      config.ports.map((port) => ({
        ip,
        port,
        scheduler: ipvsScheduler(config),
        // Masquerading does not cross address families.
        destinations: backends
          .filter((backend) => familyOf(backend.ip) === familyOf(ip))
          .map(({ ip, port, weight, draining }) => ({ ip, port, weight: draining ? 0 : weight })),
      })),
    );
  }

  return {
    mode: 'ipvs',
    async open() {
      isOpen = true;
      await Promise.all([driver.set(services()), driver.open()]);
    },
    setBackends(next) {
      backends = next;
      if (isOpen) void driver.set(services());
    },
    change(next) {
      config = next;
      if (isOpen) void driver.set(services());
    },
    reset() {
      isOpen = false;
      return driver.reset();
    },
    close() {
      isOpen = false;
      return driver.close();
    },
    trouble: () => driver.trouble(),
    settled: () => driver.settled(),
    async look() {
      try {
        counted = { refused: undefined, backends: count(await driver.read(), backends) };
        return true;
      } catch (error) {
        log.debug('connections not counted', { because: error });
        return false;
      }
    },
    stats: () => counted,
    [Symbol.dispose]() {},
  };
}

function count(services: readonly PresentService[], backends: readonly PlaneBackend[]): PlaneStats['backends'] {
  const destinations = services.flatMap((service) => service.destinations);
  return backends.map(({ name, ip, port }) => {
    const own = destinations.filter((destination) => destination.ip === ip && destination.port === port);
    const sum = (of: 'connections' | 'bytesFromClient' | 'bytesToClient') =>
      own.reduce((all, { counters }) => all + counters[of], 0n);
    return {
      ...{ name, ip, port },
      open: own.reduce((all, { active }) => all + active, 0),
      total: Number(sum('connections')),
      failed: undefined,
      reset: undefined,
      bytesFromClient: sum('bytesFromClient'),
      bytesToClient: sum('bytesToClient'),
    };
  });
}
