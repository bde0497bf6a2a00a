import { availableParallelism } from 'node:os';
import { endpoint, type Ip } from '../../net/ip.js';
import type { Relay, RelayListener } from '../ports.js';
import { type Addon, type Handle, orKernelError } from './addon.js';
import { descriptorOf, handleOf } from './descriptor.js';

type RelayAddon = Pick<Addon, 'descriptorClose' | (keyof Addon & `relay${string}`)>;

/**
 * Starts the relay's engines: threads of their own (native/relay_engine.h), which do not keep the process alive. Throws KernelError.
 * Disposing it resets every connection before it returns.
 * @param threads how many; undefined: as many as there are processors for this process, at most four
 */
export function createRelay(addon: RelayAddon, threads = Math.min(4, availableParallelism())): Relay {
  const relay = orKernelError('the relay', () => addon.relayCreate(threads));
  return {
    listen({ ip, port, freebind }) {
      const where = whereIs(ip, port);
      return listenerOf(
        addon,
        where,
        orKernelError(where, () => addon.relayListen(relay, ip, port, freebind)),
      );
    },
    adopt(descriptor, { ip, port }) {
      const where = whereIs(ip, port);
      return listenerOf(
        addon,
        where,
        orKernelError(where, () => addon.relayAdopt(relay, handleOf(descriptor), ip, port)),
      );
    },
    progress: () => addon.relayTurns(relay),
    [Symbol.dispose]: () => addon.relayDispose(relay),
  };
}

function whereIs(ip: Ip, port: number): string {
  return `the relay's address ${endpoint(ip, port)}`;
}

function listenerOf(addon: RelayAddon, where: string, listener: Handle): RelayListener {
  return {
    port: addon.relayPort(listener),
    setBackends(backends, { scheduler, connectTimeout, proxyProtocol }) {
      const timeout = Math.max(1, Math.ceil(connectTimeout));
      addon.relaySetBackends(listener, backends, timeout, scheduler === 'leastconn', proxyProtocol === 'v2');
    },
    reset: (backend) => addon.relayReset(listener, backend),
    stats: () => addon.relayStats(listener),
    descriptor: () =>
      descriptorOf(
        addon,
        orKernelError(where, () => addon.relayDescriptor(listener)),
      ),
    leave: () => addon.relayLeave(listener),
    [Symbol.dispose]: () => addon.relayUnlisten(listener),
  };
}
