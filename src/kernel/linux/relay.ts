import { endpoint } from '../../net/ip.js';
import type { Relay } from '../ports.js';
import { type Addon, orKernelError } from './addon.js';

type RelayAddon = Pick<Addon, keyof Addon & `relay${string}`>;

/**
 * Starts the relay engine: one thread of its own (native/relay_engine.h), which does not keep the process alive. Throws KernelError.
 * Disposing it resets every connection before it returns.
 */
export function createRelay(addon: RelayAddon): Relay {
  const relay = orKernelError('the relay', () => addon.relayCreate());
  return {
    listen({ ip, port, freebind }) {
      const where = `the relay's address ${endpoint(ip, port)}`;
      const listener = orKernelError(where, () => addon.relayListen(relay, ip, port, freebind));
      return {
        port: addon.relayPort(listener),
        setBackends: (backends, { scheduler, connectTimeout }) =>
          addon.relaySetBackends(listener, backends, Math.max(1, Math.ceil(connectTimeout)), scheduler === 'leastconn'),
        reset: (backend) => addon.relayReset(listener, backend),
        stats: () => addon.relayStats(listener),
        [Symbol.dispose]: () => addon.relayUnlisten(listener),
      };
    },
    [Symbol.dispose]: () => addon.relayDispose(relay),
  };
}
