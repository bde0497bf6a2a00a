import { KernelError } from '../kernel/errors.js';
import type { Redirect, Relay, RelayBackendStats, RelayListener, RelayStats } from '../kernel/ports.js';
import { endpoint, type Ip } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis, plus } from '../time/instant.js';
import type { DataPlane, PlaneBackend } from '../vip/data-plane.js';
import type { RedirectShare } from './redirect-shares.js';

export interface RelayPlaneConfig {
  readonly ips: readonly Ip[];
  readonly ports: readonly number[];
  /**
   * `redirect`: the backends' own server may listen on this host's VIP:port (on 0.0.0.0), now or later, so the proxy takes another
   * port and VIP:port is redirected to it. `listen`: the proxy listens on VIP:port, unless somebody already does.
   */
  readonly entry: 'redirect' | 'listen';
  readonly connectTimeout: Millis;
}

const redirectRetry = millis(1000);
/** 6443 is redirected to 16443. */
const besideOffset = 10_000;
/** The relay resets thousands of connections in some milliseconds; its clients are not waited for longer than this. */
const resetPatience = millis(500);
const resetLook = millis(2);

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
  readonly config: RelayPlaneConfig;
  readonly relay: Relay;
  readonly redirects: RedirectShare;
  readonly clock: Clock;
  readonly log: Log;
}): DataPlane {
  const { config, relay, clock, log } = parts;
  let backends: readonly PlaneBackend[] = [];
  let isOpen = false;
  let plain = false;
  let retry: Disposable | undefined;
  const entries = config.ips.flatMap((ip) => config.ports.map((port) => listen(ip, port)));

  function listen(ip: Ip, port: number): Entry {
    if (config.entry === 'listen') {
      try {
        return { ip, port, listener: relay.listen({ ip, port, freebind: true }) };
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'EADDRINUSE') throw error;
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
      if (!(error instanceof KernelError) || error.code !== 'EADDRINUSE') throw error;
      return relay.listen({ ip, port: 0, freebind: true });
    }
  }

  function redirects(): readonly Redirect[] {
    return entries
      .filter((entry) => entry.listener.port !== entry.port)
      .map((entry) => ({ ip: entry.ip, port: entry.port, toPort: entry.listener.port }));
  }

  function apply(): void {
    for (const { listener } of entries) {
      listener.setBackends(isOpen ? backends : [], { connectTimeout: config.connectTimeout });
    }
  }

  /** Redirects VIP:port, and if that is refused tries again while the proxy is open: the plain VIP is better than nothing. */
  async function redirect(): Promise<void> {
    const wanted = redirects();
    if (wanted.length === 0) return;
    try {
      await parts.redirects.set(wanted);
      if (plain) log.info('VIP:port is redirected to the proxy');
      plain = false;
    } catch (error) {
      if (!plain) {
        log.error('VIP:port cannot be redirected to the proxy: clients reach only what listens here on the plain VIP', {
          because: messageOf(error),
        });
      }
      plain = true;
      if (isOpen) retry = clock.at(plus(clock.now(), redirectRetry), () => void redirect());
    }
  }

  async function closeRedirects(): Promise<void> {
    retry?.[Symbol.dispose]();
    if (redirects().length === 0) return;
    try {
      await parts.redirects.set([]);
    } catch (error) {
      log.error('redirects not removed', { because: messageOf(error) });
    }
  }

  /** Resets every client, those too that came since the last time; settles when the relay has done it, or patience is over. */
  async function resetAll(): Promise<void> {
    isOpen = false;
    retry?.[Symbol.dispose]();
    apply();
    const wanted = entries.map(({ listener }) => {
      const done = listener.stats().resets + 1;
      listener.reset();
      return { listener, done };
    });
    const end = plus(clock.now(), resetPatience);
    while (clock.now() < end && wanted.some(({ listener, done }) => listener.stats().resets < done)) {
      await new Promise<void>((resolve) => clock.at(plus(clock.now(), resetLook), resolve));
    }
  }

  function stats(): RelayStats {
    const all = entries.map(({ listener }) => listener.stats());
    const byName = new Map<string, RelayBackendStats>();
    for (const backend of all.flatMap((s) => s.backends)) {
      const sum = byName.get(backend.name);
      byName.set(backend.name, sum === undefined ? backend : add(sum, backend));
    }
    const sum = (of: (stats: RelayStats) => number) => all.reduce((total, one) => total + of(one), 0);
    return { refused: sum((s) => s.refused), resets: sum((s) => s.resets), backends: [...byName.values()] };
  }

  return {
    mode: 'proxy',
    async open() {
      isOpen = true;
      apply();
      await redirect();
    },
    reset: resetAll,
    async close() {
      // Who connected between the reset and the address's end must hear of it while its packets are still translated.
      await resetAll();
      await closeRedirects();
    },
    setBackends(next) {
      backends = next;
      apply();
    },
    resetBackend(name) {
      for (const { listener } of entries) listener.reset(name);
    },
    trouble: () => (plain ? 'the proxy is not reachable: nftables refused the redirect' : undefined),
    stats,
    [Symbol.dispose]() {
      retry?.[Symbol.dispose]();
      for (const { listener } of entries) listener[Symbol.dispose]();
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function add(a: RelayBackendStats, b: RelayBackendStats): RelayBackendStats {
  return {
    name: a.name,
    open: a.open + b.open,
    total: a.total + b.total,
    failed: a.failed + b.failed,
    reset: a.reset + b.reset,
    bytesFromClient: a.bytesFromClient + b.bytesFromClient,
    bytesToClient: a.bytesToClient + b.bytesToClient,
  };
}
