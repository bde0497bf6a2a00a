import type { ControlAnswer, DrainRequest } from './admin/control.js';
import { lockHost } from './admin/lock.js';
import { type Configuration, createReload } from './admin/reload.js';
import { startAdminServer } from './admin/server.js';
import { Misconfigured } from './config/misconfigured.js';
import type { InterfaceSelector, VipSettings } from './config/settings.js';
import { withoutSecrets } from './dump.js';
import { admitAddresses, type Found, findGround } from './ground.js';
import { removeLeftovers, requireCapabilities } from './host.js';
import { loadAddon } from './kernel/linux/addon.js';
import { createCapabilities } from './kernel/linux/capabilities.js';
import { createNetwork } from './kernel/linux/network.js';
import { createPacketSockets } from './kernel/linux/packet-socket.js';
import { createPrograms } from './kernel/linux/programs.js';
import { createRelay } from './kernel/linux/relay.js';
import { createResolver } from './kernel/linux/resolver.js';
import { createSupervisor } from './kernel/linux/supervisor-socket.js';
import { createVrrpSockets } from './kernel/linux/vrrp-socket.js';
import { createKubernetesClient, type KubernetesClient } from './kubernetes/client.js';
import { loadClusterCa } from './kubernetes/credentials.js';
import { createNodeAnnotationsApi } from './kubernetes/node-api.js';
import { createClaims } from './names/claims.js';
import type { Ip } from './net/ip.js';
import { hasApi, interfacesOf } from './node-interfaces.js';
import { readAnnotations } from './nodes/annotations-driver.js';
import { applyChanges, drain } from './operate.js';
import { createPlanes } from './planes.js';
import { createSigns, type Signs } from './signs-parts.js';
import { createStandingVip, type StandingVip } from './standing-vip.js';
import { createReports, noReports } from './supervisor/driver.js';
import type { Supervision } from './supervisor/environment.js';
import { statusLine } from './supervisor/status-line.js';
import type { Health } from './telemetry/http.js';
import type { LeveledLog, Log } from './telemetry/log.js';
import { watchLoopLag } from './telemetry/loop-lag.js';
import type { Metrics } from './telemetry/metrics.js';
import { serveTelemetry } from './telemetry-parts.js';
import type { Clock } from './time/clock.js';
import { millis, plus } from './time/instant.js';
import { createSystemClock } from './time/system-clock.js';
import type { DaemonStatus } from './vip/status.js';
import type { Vip } from './vip-parts.js';

/** A daemon that has started. */
export interface Daemon {
  status(): Promise<DaemonStatus>;
  /** As `Control.reload`. */
  reload(): Promise<ControlAnswer>;
  /** All that the daemon knows, without secrets. Disturbs nothing. */
  dump(): Promise<Readonly<Record<string, unknown>>>;
  /** Gives up every VIP in order. */
  stop(reason: string): Promise<void>;
  /** Settles when the daemon cannot go on. */
  readonly failed: Promise<Error>;
}

/** What this process is, as only the process itself knows. */
export interface Program {
  readonly version: string;
  /** The environment's PATH. */
  readonly searchPath: string;
  /** How whoever supervises it is told of its life, and CLOCK_MONOTONIC in microseconds; undefined when nobody does. */
  readonly supervision: (Supervision & { readonly monotonic: () => bigint }) | undefined;
}

/**
 * An orderly stop waits for the API twice as long as one request may take by default, or for a VRRP backup to relieve this node and
 * the operator's programs to hear of it, and a little.
 */
const stopPatience = millis(14_000);

/** How long the start waits for the annotations of this node; the VIPs come up without them too. */
const annotationPatience = millis(1000);

/**
 * Starts the daemon: what refuses for another vipd's sake first, leftovers next, then the parts, elections last.
 * Throws MissingPrivilege, or an Error of one sentence, when it cannot; nothing is left running then.
 */
export async function startDaemon(
  configuration: Configuration,
  log: LeveledLog,
  metrics: Metrics,
  { version, searchPath, supervision }: Program,
): Promise<Daemon> {
  const { settings } = configuration.loaded;
  const capabilities = createCapabilities();
  requireCapabilities(capabilities, settings);
  const addon = loadAddon();
  const clock = createSystemClock(() => addon.boottime());
  const closers: (() => unknown)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const vips: StandingVip[] = [];
  let givenUp: Promise<void> | undefined;
  const giveUpOnce = () => {
    givenUp ??= giveUp(vips, clock, log);
    return givenUp;
  };
  const look = async () => {
    await Promise.all(vips.map((vip) => vip.look()));
  };
  const status = async (): Promise<DaemonStatus> => {
    await look();
    return { node: settings.node.name, version, vips: vips.map((vip) => vip.reading().status) };
  };
  const reports =
    supervision === undefined
      ? noReports
      : createReports({
          ...supervision,
          supervisor: createSupervisor(addon, supervision.socket),
          live: () => live().ok,
          status: () => statusLine({ vips: vips.map((vip) => vip.reading().status) }),
          clock,
          log,
        });
  let inForce = settings;
  let signs: Signs | undefined;
  let route: { readonly server: string; readonly as: string } | undefined;
  const dump = async () => {
    const trouble = await look().then(() => undefined, String);
    return {
      version,
      now: clock.now(),
      api: route,
      givenUp: givenUp !== undefined,
      ...(trouble === undefined ? {} : { trouble }),
      settings: withoutSecrets(inForce),
      signs: signs?.view(),
      vips: vips.map((vip) => vip.dump()),
    };
  };
  const applyFile = createReload({
    configuration,
    log,
    onApplied: (applied) => {
      inForce = applied;
    },
    async apply(changes) {
      if (givenUp !== undefined) throw new Error('vipd is stopping');
      const changed = settings.vips.map((vip) => changes.find(({ name }) => name === vip.name)?.settings ?? vip);
      requireCapabilities(capabilities, { ...settings, vips: changed });
      await applyChanges(vips, changes);
    },
  });
  const reload = () => reports.whileReloading(applyFile);
  const setDraining = async (request: DrainRequest) => drain(vips, await status(), request);

  try {
    // Before anything on this host is touched: these refuse when another vipd runs here.
    const lock = await lockHost();
    closers.push(() => lock[Symbol.asyncDispose]());
    const admin = await startAdminServer({
      path: settings.admin.socket,
      control: { status, setDraining, reload },
    });
    closers.push(() => admin[Symbol.asyncDispose]());
    const network = createNetwork(addon, clock);
    await removeLeftovers(network, settings.vips, log);
    const relay = createRelay(addon);
    closers.push(() => relay[Symbol.dispose]());
    const memoryFile = `${settings.admin.socket}.sysctls.json`;
    const planes = createPlanes({ addon, relay, memoryFile, clock, log });
    await planes.removeLeftovers(settings.vips);
    let client: KubernetesClient | undefined;
    const localPort = localApiPort(settings.vips);
    closers.push(() => client?.[Symbol.dispose]());
    const kubernetes = () => {
      client ??= createKubernetesClient({
        kubeconfig: settings.kubernetes.kubeconfig,
        server: settings.kubernetes.server,
        // Those of names change.
        get virtualIps() {
          return [
            ...settings.vips.flatMap((vip) => vip.addresses.map(({ ip }) => ip)),
            ...vips.flatMap((vip) => vip.ips()),
          ];
        },
        virtualNames: settings.vips.flatMap((vip) => vip.dns.names),
        localPort,
        clock,
        onRoute: (server, as) => {
          route = { server, as };
          log.info('the API is asked at', route);
        },
      });
      return client;
    };
    signs = createSigns(settings, { client: kubernetes, clock, log });
    closers.push(() => signs?.[Symbol.dispose]());
    closers.push(() => signs?.told());
    const shared = {
      node: settings.node.name,
      clock,
      network,
      packets: createPacketSockets(addon),
      vrrp: createVrrpSockets(addon),
      programs: createPrograms(searchPath, clock),
      planes,
      kubernetes,
      signs,
      clusterCa: () => loadClusterCa(settings.kubernetes),
      log,
      metrics,
    };
    const interfaces = new Map<string, InterfaceSelector>();
    if (hasApi(settings)) {
      const reading = readAnnotations({
        api: createNodeAnnotationsApi(kubernetes(), settings.node.name),
        timeout: annotationPatience,
        ...{ clock, log },
        onAnswer(annotations) {
          for (const [name, selector] of interfacesOf(annotations, settings.vips, log)) {
            log.info("this node's annotation names the interface", { vip: name, interface: String(selector) });
            interfaces.set(name, selector);
            vips.find((vip) => vip.settings.name === name)?.useInterface(selector);
          }
        },
      });
      closers.push(() => reading[Symbol.dispose]());
      await reading.tried;
    }
    const find = async (vip: VipSettings, fresh: readonly Ip[] = []) => {
      const refused = fresh.length === 0 ? undefined : await admitAddresses({ network, planes, log }, fresh);
      return refused ?? (await findGround(network, planes, vip));
    };
    const found = new Map<string, Found>();
    for (const vip of settings.vips) {
      if (vip.dns.names.length > 0) continue;
      const result = await find({ ...vip, interface: interfaces.get(vip.name) ?? vip.interface });
      if (!result.ok && result.because === 'misconfigured') throw new Misconfigured(result.message);
      found.set(vip.name, result);
    }
    const resolver = createResolver();
    const claims = createClaims(
      settings.vips.map(({ name, addresses }) => ({ name, written: addresses.map(({ ip }) => ip) })),
      (name) => vips.find((vip) => vip.settings.name === name)?.reconsider(),
    );
    closers.push(giveUpOnce);
    for (const vip of settings.vips) {
      const selector = interfaces.get(vip.name) ?? vip.interface;
      vips.push(createStandingVip(vip, { found: found.get(vip.name), selector, find, claims, resolver, shared }));
    }
    metrics.readFrom(async () => {
      await look();
      return vips.map((vip) => vip.reading());
    });
    const served = await serveTelemetry(settings, { metrics, status, live, ready: () => ready(vips) }, { clock, log });
    closers.push(() => served[Symbol.asyncDispose]());
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
    signs.start();
    closers.push(() => reports[Symbol.dispose]());
    reports.ready();
  } catch (error) {
    await close();
    throw error;
  }

  return {
    status,
    reload,
    dump,
    stop: async (reason) => {
      log.debug('giving up the VIPs', { because: reason });
      reports.stopping();
      // The VIPs first: what else runs can wait, and a probe that asks meanwhile deserves an answer.
      await giveUpOnce();
      await close();
    },
    failed: new Promise(() => {}),
  };
}

/** Where this node's own API server is, if the VIPs are those of a control plane. */
function localApiPort(vips: readonly VipSettings[]): number | undefined {
  const [port] = vips.flatMap(({ loadBalancer: { backends } }) => (backends.from === 'nodes' ? [backends.port] : []));
  return port;
}

/** The daemon makes progress: whoever is answered has met a loop that turns. */
function live(): Health {
  return { ok: true, reasons: [] };
}

function ready(vips: readonly Vip[]): Health {
  const reasons = vips.flatMap((vip) => vip.troubles());
  return { ok: reasons.length === 0, reasons };
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
