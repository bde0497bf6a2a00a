import { KernelError } from '../kernel/errors.js';
import type { Redirect, Relay, RelayListener } from '../kernel/ports.js';
import type { Share } from '../kernel/shares.js';
import { endpoint, type Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { type DataPlane, goneFrom, type PlaneBackend, type PlaneConfig, type PlaneStats } from '../vip/data-plane.js';
import { resetClients } from './reset.js';
import { sumBackends, sumEndings } from './sums.js';

/**
 * `redirect`: the backends' own server may listen on this host's VIP:port (on 0.0.0.0), now or later, so the proxy takes another
 * port and VIP:port is redirected to it. `listen`: the proxy listens on VIP:port, unless somebody already does.
 */
export type RelayEntry = 'redirect' | 'listen';

const redirectRetry = millis(1000);
/** 6443 is redirected to 16443. */
const besideOffset = 10_000;

interface Entry {
  readonly ip: Ip;
  readonly port: number;
  readonly listener: RelayListener;
}

/**
 * The in-process proxy as the data plane of one VIP. Listens from the start, so that a port that cannot be had is known before a
 * failover; takes connections only while open.
 * Throws KernelError when a listener cannot be had.
 */
export function createRelayPlane(parts: {
  readonly ips: readonly Ip[];
  readonly entry: RelayEntry;
  readonly config: PlaneConfig;
  readonly relay: Relay;
  readonly redirects: Share<Redirect>;
  readonly clock: Clock;
  readonly log: Log;
}): DataPlane {
  const { relay, clock, log } = parts;
  let { config } = parts;
  let backends: readonly PlaneBackend[] = [];
  let isOpen = false;
  let plain = false;
  let retry: Disposable | undefined;
  let entries = listenOn(config.ports);
  /** Of ports that are served no longer, as long as connections are open. */
  let retired: readonly Entry[] = [];

  /** All or none. */
  function listenOn(ports: readonly number[]): readonly Entry[] {
    const made: Entry[] = [];
    try {
      for (const ip of parts.ips) for (const port of ports) made.push(listen(ip, port));
      return made;
    } catch (error) {
      for (const { listener } of made) listener[Symbol.dispose]();
      throw error;
    }
  }

  function listen(ip: Ip, port: number): Entry {
    if (parts.entry === 'listen') {
      try {
        return { ip, port, listener: relay.listen({ ip, port, freebind: true }) };
      } catch (error) {
        if (!isInUse(error)) throw error;
        log.info('entry', { to: 'redirect', because: `another program listens on ${endpoint(ip, port)}` });
      }
    }
    return { ip, port, listener: listenBeside(ip, port) };
  }

  /**
   * A port that is the same in every life of the daemon, where it is free: connections that the kernel still tracks as redirected
   * to the port of an earlier life must not lead a new client nowhere.
   */
  function listenBeside(ip: Ip, port: number): RelayListener {
    const usual = port + besideOffset <= 65535 ? port + besideOffset : port - besideOffset;
    try {
      return relay.listen({ ip, port: usual, freebind: true });
    } catch (error) {
      if (!isInUse(error)) throw error;
      return relay.listen({ ip, port: 0, freebind: true });
    }
  }

  function listeners(): readonly RelayListener[] {
    return [...entries, ...retired].map(({ listener }) => listener);
  }

  function redirects(): readonly Redirect[] {
    const redirected = ({ port, listener }: Entry) => listener.port !== port;
    return [
      ...entries.filter(redirected).map(({ ip, port, listener }) => ({ ip, port, toPort: listener.port })),
      // Changes nothing, but connections of a retired port are translated as long as the table has a rule of their family.
      ...retired.filter(redirected).map(({ ip, listener: { port } }) => ({ ip, port, toPort: port })),
    ];
  }

  function apply(): void {
    const takers = isOpen ? backends.filter(({ draining }) => !draining) : [];
    for (const { listener } of entries) listener.setBackends(takers, config);
  }

  /** Redirects VIP:port, and if that is refused tries again while the proxy is open: the plain VIP is better than nothing. */
  async function redirect(): Promise<void> {
    retry?.[Symbol.dispose]();
    try {
      await parts.redirects.set(redirects());
      if (plain) log.info('VIP:port is redirected to the proxy');
      plain = false;
    } catch (error) {
      if (!plain) {
        log.error('VIP:port cannot be redirected to the proxy: clients reach only what listens here on the plain VIP', {
          because: error,
        });
      }
      plain = true;
      if (isOpen) retry = clock.at(plus(clock.now(), redirectRetry), () => void redirect());
    }
  }

  async function closeRedirects(): Promise<void> {
    retry?.[Symbol.dispose]();
    try {
      await parts.redirects.set([]);
    } catch (error) {
      if (redirects().length > 0) log.error('redirects not removed', { because: error });
    }
  }

  /** Resets every client, those too that came since the last time; settles when the relay has done it, or patience is over. */
  async function resetAll(): Promise<void> {
    isOpen = false;
    retry?.[Symbol.dispose]();
    apply();
    const resetting = resetClients(listeners(), clock);
    retired = [];
    await resetting;
  }

  function stats(): PlaneStats {
    const all = listeners().map((listener) => listener.stats());
    const refused = all.reduce((total, one) => total + one.refused, 0);
    return { refused, endings: sumEndings(all), backends: sumBackends(all) };
  }

  return {
    mode: 'proxy',
    async open() {
      isOpen = true;
      apply();
      if (redirects().length > 0) await redirect();
    },
    reset: resetAll,
    async close() {
      // Who connected between the reset and the address's end must hear of it while its packets are still translated.
      await resetAll();
      await closeRedirects();
      plain = false;
    },
    setBackends(next) {
      const gone = goneFrom(backends, next);
      backends = next;
      apply();
      for (const backend of gone) for (const listener of listeners()) listener.reset(backend);
    },
    change(next) {
      const added = listenOn(next.ports.filter((port) => !config.ports.includes(port)));
      const removed = entries.filter(({ port }) => !next.ports.includes(port));
      config = next;
      entries = [...entries.filter((entry) => !removed.includes(entry)), ...added];
      apply();
      for (const { listener } of removed) listener[Symbol.dispose]();
      retired = [...retired, ...removed].filter(isUsed);
      if (isOpen && added.length + removed.length > 0) void redirect();
    },
    trouble: () => (plain ? 'the proxy is not reachable: nftables refused the redirect' : undefined),
    settled: async () => {},
    look: async () => true,
    stats,
    [Symbol.dispose]() {
      retry?.[Symbol.dispose]();
      for (const { listener } of entries) listener[Symbol.dispose]();
    },
  };
}

function isInUse(error: unknown): boolean {
  return error instanceof KernelError && error.code === 'EADDRINUSE';
}

function isUsed({ listener }: Entry): boolean {
  return listener.stats().backends.some(({ open }) => open > 0);
}
