import { KernelError } from '../../src/kernel/errors.js';
import type {
  Endpoint,
  Ipvs,
  IpvsCommand,
  IpvsCounters,
  IpvsRefusal,
  IpvsServiceName,
  PresentDestination,
  PresentService,
} from '../../src/kernel/ports.js';
import { endpoint } from '../../src/net/ip.js';

/** IPVS in memory: TCP services, and the names of others. */
export interface FakeIpvs extends Ipvs {
  /** What is there. A test may put in what it likes. */
  table: readonly PresentService[];
  others: readonly IpvsServiceName[];
  /** Every command that was taken. */
  readonly commands: readonly IpvsCommand[];
  /** While set, `probe` says so and commands fail with `ENOENT`. */
  refusal: IpvsRefusal | undefined;
}

export const noCounters: IpvsCounters = {
  connections: 0n,
  packetsFromClient: 0n,
  packetsToClient: 0n,
  bytesFromClient: 0n,
  bytesToClient: 0n,
};

export function createFakeIpvs(): FakeIpvs {
  const commands: IpvsCommand[] = [];
  const ipvs: FakeIpvs = {
    table: [],
    others: [],
    commands,
    refusal: undefined,
    async probe() {
      return ipvs.refusal === undefined ? { ok: true, version: '1.2.1' } : { ok: false, because: ipvs.refusal };
    },
    async services() {
      const ours = ipvs.table.map(({ ip, port }) => ({ kind: 'address', protocol: 'tcp', ip, port }) as const);
      return [...ours, ...ipvs.others];
    },
    async read(service) {
      return ipvs.table.find(same(service));
    },
    async apply(wanted) {
      for (const command of wanted) {
        if (ipvs.refusal !== undefined) throw new KernelError(command.kind, 'ENOENT');
        ipvs.table = change(ipvs.table, command);
        commands.push(command);
      }
    },
  };
  return ipvs;
}

function change(table: readonly PresentService[], command: IpvsCommand): readonly PresentService[] {
  const present = table.find(same(command.service));
  const rest = table.filter((service) => service !== present);
  switch (command.kind) {
    case 'add-service':
    case 'update-service': {
      const { counters = noCounters, destinations = [] } = present ?? {};
      return [...rest, { ...command.service, scheduler: command.scheduler, plain: true, counters, destinations }];
    }
    case 'remove-service':
      return rest;
    case 'add-destination':
    case 'update-destination': {
      if (present === undefined) throw refusal(command, 'ESRCH');
      const before = present.destinations.find(same(command.destination));
      const { active = 0, inactive = 0, counters = noCounters } = before ?? {};
      const destination: PresentDestination = { ...command.destination, plain: true, active, inactive, counters };
      return [
        ...rest,
        { ...present, destinations: [...present.destinations.filter((d) => d !== before), destination] },
      ];
    }
    case 'remove-destination': {
      if (present === undefined) return table;
      const destinations = present.destinations.filter((d) => !same(command.destination)(d));
      return [...rest, { ...present, destinations }];
    }
  }
}

function refusal({ kind, service }: IpvsCommand, code: string): KernelError {
  return new KernelError(`${kind} ${endpoint(service.ip, service.port)}`, code);
}

function same(wanted: Endpoint): (other: Endpoint) => boolean {
  return ({ ip, port }) => ip === wanted.ip && port === wanted.port;
}
