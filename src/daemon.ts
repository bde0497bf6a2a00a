import { lockHost } from './admin/lock.js';
import { startAdminServer } from './admin/server.js';
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
import { loadClusterCa } from './kubernetes/credentials.js';
import { type Ip, parseIp } from './net/ip.js';
import { createRedirectShares } from './proxy/redirect-shares.js';
import { type Health, startTelemetryServer } from './telemetry/http.js';
import type { Log } from './telemetry/log.js';
import { watchLoopLag } from './telemetry/loop-lag.js';
import type { Metrics } from './telemetry/metrics.js';
import type { Clock } from './time/clock.js';
import { millis, plus } from './time/instant.js';
import { createSystemClock } from './time/system-clock.js';
import type { DaemonStatus } from './vip/status.js';
import { createVip, type Vip } from './vip-parts.js';

/** A daemon that has started. */
export interface Daemon {
  status(): DaemonStatus;
  /** Gives up every VIP in order. */
  stop(reason: string): Promise<void>;
  /** Settles when the daemon cannot go on. */
  readonly failed: Promise<Error>;
}

/** An orderly stop waits for the API twice as long as one request may take by default, and a little. */
const stopPatience = millis(10_000);

/**
 * Starts the daemon: what refuses for another vipd's sake first, leftovers next, then the parts, elections last.
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
  let givenUp: Promise<void> | undefined;
  const giveUpOnce = () => {
    givenUp ??= giveUp(vips, clock, log);
    return givenUp;
  };
  const status = (): DaemonStatus => ({
    node: settings.node.name,
    version,
    vips: vips.map((vip) => vip.reading().status),
  });

  try {
    // Before anything on this host is touched: these refuse when another vipd runs here.
    const lock = await lockHost();
    closers.push(() => lock[Symbol.asyncDispose]());
    const admin = await startAdminServer({ path: settings.admin.socket, status });
    closers.push(() => admin[Symbol.asyncDispose]());
    const network = createNetwork(addon, clock);
    await removeLeftovers(network, settings.vips, log);
    const links = await findVipLinks(network, settings.vips, log);
    const redirects = createRedirects(clock);
    await clearRedirects(redirects, settings.vips.some(needsRedirect), log);
    const relay = createRelay(addon);
    closers.push(() => relay[Symbol.dispose]());
    let client: KubernetesClient | undefined;
    const virtualIps = settings.vips.flatMap((vip) => vip.addresses.map((address) => address.ip));
    closers.push(() => client?.[Symbol.dispose]());
    const shared = {
      node: settings.node.name,
      clock,
      network,
      arp: createArpSockets(addon),
      relay,
      share: createRedirectShares(redirects),
      kubernetes() {
        client ??= createKubernetesClient({ ...settings.kubernetes, virtualIps, clock });
        return client;
      },
      clusterCa: () => loadClusterCa(settings.kubernetes),
      log,
      metrics,
    };
    closers.push(giveUpOnce);
    for (const vip of settings.vips) vips.push(createVip(vip, links.get(vip.name) as Link, shared));
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
    for (const vip of vips) {
      vip.start();
      // What changed since the links were listed, before there was a watch, was never told.
      vip.network({ kind: 'overrun' });
    }
  } catch (error) {
    await close();
    throw error;
  }

  return {
    status,
    stop: async (reason) => {
      log.debug('giving up the VIPs', { because: reason });
      // The VIPs first: what else runs can wait, and a probe that asks meanwhile deserves an answer.
      await giveUpOnce();
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

/** Gives the VIPs up and away; whatever the kernel or the API refuse, it ends. */
async function giveUp(vips: readonly Vip[], clock: Clock, log: Log): Promise<void> {
  let timer: Disposable | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = clock.at(plus(clock.now(), stopPatience), () => resolve('late'));
  });
  const end = await Promise.race([Promise.all(vips.map((vip) => vip.stop())), late]);
  timer?.[Symbol.dispose]();
  if (end === 'late') log.error('not all VIPs could be given up in order; the kernel removes what is left');
}

/**
 * Removes the table of an earlier life. If VIP:port will have to be redirected, shows now, not at failover, whether it can be; the
 * address is of TEST-NET-1 (RFC 5737): nobody's connections are touched.
 */
async function clearRedirects(redirects: Redirects, areNeeded: boolean, log: Log): Promise<void> {
  try {
    if (areNeeded) await redirects.set([{ ip: parseIp('192.0.2.1') as Ip, port: 1, toPort: 1 }]);
    await redirects.set([]);
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    if (!areNeeded) {
      log.warn('cannot look for an nftables table of an earlier life', { because });
      return;
    }
    log.error('nftables cannot redirect VIP:port to the proxy: the VIP will reach only what listens on its host', {
      because,
      mend: 'load the kernel module nf_tables with NAT, or give the daemon NET_ADMIN',
    });
  }
}
