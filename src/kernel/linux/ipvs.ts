import { type Family, familyOf, type Ip, parseIp } from '../../net/ip.js';
import type { Clock } from '../../time/clock.js';
import { KernelError } from '../errors.js';
import type { Endpoint, Ipvs, IpvsCommand, IpvsRefusal, IpvsScheduler, IpvsSupport, PresentService } from '../ports.js';
import { decodeFamilyId, encodeFindFamily, type GenericFamily } from './generic-netlink-message.js';
import {
  decodeDestination,
  decodeInfo,
  decodeService,
  decodeServiceName,
  describe,
  encodeCommand,
  encodeGetInfo,
  encodeGetService,
  encodeListDestinations,
  encodeListServices,
  ipvsFamily,
} from './ipvs-message.js';
import { createNetlinkQuestions } from './netlink-exchange.js';
import type { NetlinkMessage, NetlinkRequest } from './netlink-message.js';
import { netlinkProtocol } from './netlink-socket.js';

/** For `probe`: TEST-NET-1, the discard port. Nobody's connections are touched. */
const testService: Endpoint = { ip: parseIp('192.0.2.1') as Ip, port: 9 };

/**
 * IPVS of this network namespace, without the ipvsadm binary. Every call asks for the family's number anew: it changes when the module
 * is unloaded and loaded.
 */
export function createIpvs(clock: Clock): Ipvs {
  const kernel = createNetlinkQuestions(netlinkProtocol.generic, clock);
  const ask = (operation: string, request: NetlinkRequest): Promise<readonly NetlinkMessage[]> =>
    kernel.ask(operation, [request]);

  async function findFamily(): Promise<GenericFamily> {
    const operation = `find generic netlink family ${ipvsFamily.name}`;
    for (const { payload } of await ask(operation, encodeFindFamily(ipvsFamily.name))) {
      const id = decodeFamilyId(payload);
      if (id.ok) return { id: id.value, version: ipvsFamily.version };
    }
    throw new KernelError(operation, 'EBADMSG');
  }

  async function change(family: GenericFamily, command: IpvsCommand): Promise<void> {
    try {
      await ask(describe(command), encodeCommand(family, command));
    } catch (error) {
      const code = error instanceof KernelError ? error.code : undefined;
      const settled = code === undefined ? undefined : whenRefused(command, code);
      if (settled === undefined) throw error;
      if (settled !== 'done') await ask(describe(settled), encodeCommand(family, settled));
    }
  }

  return {
    async probe(scheduler): Promise<IpvsSupport> {
      try {
        const family = await findFamily();
        const [info] = await ask('read IPVS version', encodeGetInfo(family));
        const version = info === undefined ? undefined : decodeInfo(info.payload);
        await tryService(scheduler, (command) => ask(describe(command), encodeCommand(family, command)));
        return { ok: true, version: version?.ok ? version.value : 'unknown' };
      } catch (error) {
        const because = error instanceof KernelError ? reasonOf(error) : undefined;
        if (because === undefined) throw error;
        return { ok: false, because };
      }
    },
    async services() {
      const messages = await ask('list IPVS services', encodeListServices(await findFamily()));
      return messages.flatMap(({ payload }) => {
        const name = decodeServiceName(payload);
        return name.ok ? [name.value] : [];
      });
    },
    async read({ ip, port }): Promise<PresentService | undefined> {
      const family = await findFamily();
      const answers = await ask('read IPVS service', encodeGetService(family, { ip, port })).catch(noneIfAbsent);
      const service = answers[0] === undefined ? undefined : decodeService(answers[0].payload);
      if (!service?.ok) return undefined;
      const messages = await ask('list IPVS destinations', encodeListDestinations(family, { ip, port }));
      return { ...service.value, destinations: readable(messages, familyOf(ip)) };
    },
    async apply(commands) {
      if (commands.length === 0) return;
      const family = await findFamily();
      for (const command of commands) await change(family, command);
    },
  };
}

/** What to do instead when the kernel refuses with `code`: nothing more, another command, or (undefined) say so. */
function whenRefused(command: IpvsCommand, code: string): IpvsCommand | 'done' | undefined {
  switch (command.kind) {
    case 'add-service':
      return code === 'EEXIST' ? { ...command, kind: 'update-service' } : undefined;
    case 'update-service':
      return code === 'ESRCH' ? { ...command, kind: 'add-service' } : undefined;
    case 'add-destination':
      return code === 'EEXIST' ? { ...command, kind: 'update-destination' } : undefined;
    case 'update-destination':
      return code === 'ENOENT' ? { ...command, kind: 'add-destination' } : undefined;
    case 'remove-service':
      return code === 'ESRCH' ? 'done' : undefined;
    case 'remove-destination':
      return code === 'ESRCH' || code === 'ENOENT' ? 'done' : undefined;
  }
}

/** What is there already stays. */
async function tryService(scheduler: IpvsScheduler, run: (command: IpvsCommand) => Promise<unknown>): Promise<void> {
  try {
    await run({ kind: 'add-service', service: testService, scheduler });
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EEXIST') return;
    throw error;
  }
  await run({ kind: 'remove-service', service: testService });
}

function reasonOf({ operation, code }: KernelError): IpvsRefusal | undefined {
  if (code === 'EPERM') return 'not-permitted';
  if (code === 'EPROTONOSUPPORT') return 'no-ip-vs';
  if (code === 'ENOENT') return operation.startsWith('add') ? 'no-scheduler' : 'no-ip-vs';
  return undefined;
}

function noneIfAbsent(error: unknown): readonly NetlinkMessage[] {
  if (error instanceof KernelError && error.code === 'ESRCH') return [];
  throw error;
}

function readable(messages: readonly NetlinkMessage[], family: Family): PresentService['destinations'] {
  return messages.flatMap(({ payload }) => {
    const destination = decodeDestination(payload, family);
    return destination.ok ? [destination.value] : [];
  });
}
