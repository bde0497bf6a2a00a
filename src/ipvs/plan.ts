import type { Endpoint, IpvsCommand, IpvsDestination, IpvsScheduler, PresentService } from '../kernel/ports.js';

/** A service as it is to be. */
export interface WantedService extends Endpoint {
  readonly scheduler: IpvsScheduler;
  /** Of several with one address and port the last counts. */
  readonly destinations: readonly IpvsDestination[];
}

/**
 * The commands that make the kernel's table hold the wanted services; none when it does. What takes new connections comes before
 * what ends: destinations are added and raised, then drained, then removed, so that a service that has something to serve it never
 * goes without. Present services that are not wanted are removed when `isOurs` says so; others are left alone.
 */
export function planServices(
  wanted: readonly WantedService[],
  present: readonly PresentService[],
  isOurs: (service: Endpoint) => boolean,
): readonly IpvsCommand[] {
  const kept = new Set(wanted.map(key));
  const removed = present.filter((service) => isOurs(service) && !kept.has(key(service)));
  return [
    ...wanted.flatMap((service) => planService(service, present.find(same(service)))),
    ...removed.map(({ ip, port }): IpvsCommand => ({ kind: 'remove-service', service: { ip, port } })),
  ];
}

function planService(wanted: WantedService, present: PresentService | undefined): readonly IpvsCommand[] {
  const { ip, port, scheduler } = wanted;
  const service = { ip, port };
  const commands: IpvsCommand[] = [];
  if (present === undefined) commands.push({ kind: 'add-service', service, scheduler });
  else if (present.scheduler !== scheduler || !present.plain) {
    commands.push({ kind: 'update-service', service, scheduler });
  }

  const destinations = [...new Map(wanted.destinations.map((entry) => [key(entry), entry])).values()];
  for (const destination of byWeight(destinations)) {
    const { ip, port, weight } = destination;
    const before = present?.destinations.find(same(destination));
    if (before?.weight === weight && before.plain) continue;
    const kind = before === undefined ? 'add-destination' : 'update-destination';
    commands.push({ kind, service, destination: { ip, port, weight } });
  }
  for (const { ip, port } of present?.destinations ?? []) {
    if (!destinations.some(same({ ip, port }))) {
      commands.push({ kind: 'remove-destination', service, destination: { ip, port } });
    }
  }
  return commands;
}

/** Those that take connections first. */
function byWeight(destinations: readonly IpvsDestination[]): readonly IpvsDestination[] {
  return [...destinations.filter((d) => d.weight > 0), ...destinations.filter((d) => d.weight === 0)];
}

function key({ ip, port }: Endpoint): string {
  return `${ip} ${port}`;
}

function same(endpoint: Endpoint): (other: Endpoint) => boolean {
  return ({ ip, port }) => ip === endpoint.ip && port === endpoint.port;
}
