import { startAdminServer } from './admin/server.js';
import type { Daemon } from './cli/run-daemon.js';
import type { Settings } from './config/settings.js';
import { findVipLinks, removeLeftovers, requireCapabilities } from './host.js';
import { loadAddon } from './kernel/linux/addon.js';
import { createCapabilities } from './kernel/linux/capabilities.js';
import { createNetwork } from './kernel/linux/network.js';
import { createArpSockets } from './kernel/linux/packet-socket.js';
import { createRedirects } from './kernel/linux/redirects.js';
import { createRelay } from './kernel/linux/relay.js';
import type { Link, Redirects } from './kernel/ports.js';
import { createKubernetesClient, type KubernetesClient } from './kubernetes/client.js';
import { type Ip, parseIp } from './net/ip.js';
import { createRedirectShares } from './proxy/redirect-shares.js';
import { type Health, startTelemetryServer } from './telemetry/http.js';
import type { Log } from './telemetry/log.js';
import { watchLoopLag } from './telemetry/loop-lag.js';
import type { Metrics } from './telemetry/metrics.js';
import { createSystemClock } from './time/system-clock.js';
import type { DaemonStatus } from './vip/status.js';
import { createVip, type Vip } from './vip-parts.js';

/**
 * Starts the daemon: what may refuse first, leftovers next, elections last.
 * Throws MissingPrivilege, or an Error of one sentence, when it cannot; nothing is left running then.
 */
export async function startDaemon(settings: Settings, log: Log, metrics: Metrics, version: string): Promise<Daemon> {
  requireCapabilities(createCapabilities(), settings);
  const addon = loadAddon();
  const clock = createSystemClock(() => addon.boottime());
  const closers: (() => unknown)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const vips: Vip[] = [];
  const status = (): DaemonStatus => ({
    node: settings.node.name,
    version,
    vips: vips.map((vip) => vip.reading().status),
  });

  try {
    // Before anything on this host is touched: it refuses when another vipd runs here.
    const admin = await startAdminServer({ path: settings.admin.socket, status });
    closers.push(() => admin[Symbol.asyncDispose]());
    const network = createNetwork(addon, clock);
    await removeLeftovers(network, settings.vips, log);
    const links = await findVipLinks(network, settings.vips, log);
    const redirects = createRedirects(clock);
    if (settings.vips.some(needsRedirect)) await tryRedirects(redirects, log);
    const relay = createRelay(addon);
    closers.push(() => relay[Symbol.dispose]());
    let client: KubernetesClient | undefined;
    closers.push(() => client?.[Symbol.dispose]());
    const shared = {
      node: settings.node.name,
      clock,
      network,
      arp: createArpSockets(addon),
      relay,
      share: createRedirectShares(redirects),
      kubernetes() {
        client ??= createKubernetesClient({ ...settings.kubernetes, clock });
        return client;
      },
      log,
      metrics,
    };
    for (const vip of settings.vips) vips.push(createVip(vip, links.get(vip.name) as Link, shared));
    closers.push(() => Promise.all(vips.map((vip) => vip.stop())));
    metrics.readFrom(() => vips.map((vip) => vip.reading()));
    if (settings.metrics.listen !== undefined) {
      const { listen } = settings.metrics;
      const server = await startTelemetryServer({
        listen,
        metrics,
        status,
        live: () => good,
        ready: () => ready(vips),
      });
      closers.push(() => server[Symbol.asyncDispose]());
    }
    const lag = watchLoopLag(clock, (seconds) => metrics.loopLagged(seconds));
    closers.push(() => lag[Symbol.dispose]());
    const watch = network.watch((change) => {
      for (const vip of vips) vip.network(change);
    });
    closers.push(() => watch[Symbol.dispose]());
    for (const vip of vips) vip.start();
  } catch (error) {
    await close();
    throw error;
  }

  return {
    status,
    stop: async (reason) => {
      log.debug('giving up the VIPs', { because: reason });
      // The VIPs first: what else runs can wait, and a probe that asks meanwhile deserves an answer.
      await Promise.all(vips.map((vip) => vip.stop()));
      await close();
    },
    failed: new Promise(() => {}),
  };
}

const good: Health = { ok: true, reasons: [] };

function ready(vips: readonly Vip[]): Health {
  const reasons = vips.flatMap((vip) => vip.troubles());
  return { ok: reasons.length === 0, reasons };
}

function needsRedirect(vip: Settings['vips'][number]): boolean {
  return vip.loadBalancer.mode !== 'off' && vip.loadBalancer.backends.from === 'nodes';
}

/**
 * Shows at start, not at failover, whether VIP:port can be redirected; also removes the table of an earlier life. The address is
 * of TEST-NET-1 (RFC 5737): nobody's connections are touched.
 */
async function tryRedirects(redirects: Redirects, log: Log): Promise<void> {
  try {
    await redirects.set([{ ip: parseIp('192.0.2.1') as Ip, port: 1, toPort: 1 }]);
    await redirects.set([]);
  } catch (error) {
    log.error('nftables cannot redirect VIP:port to the proxy: the VIP will reach only what listens on its host', {
      because: error instanceof Error ? error.message : String(error),
      mend: 'load the kernel module nf_tables with NAT, or give the daemon NET_ADMIN',
    });
  }
}
