import { randomBytes } from 'node:crypto';
import type { ControlAnswer, DrainRequest } from './admin/control.js';
import { lockHost } from './admin/lock.js';
import { type Configuration, createReload } from './admin/reload.js';
import { type AdminServer, prepareAdminServer } from './admin/server.js';
import { doorBeside, isDoorOf } from './config/admin-socket.js';
import { Misconfigured } from './config/misconfigured.js';
import type { InterfaceSelector, VipSettings } from './config/settings.js';
import { withoutSecrets } from './dump.js';
import { giveUp } from './give-up.js';
import { admitAddresses, type Found, findGround } from './ground.js';
import type { Successor } from './handover/giver.js';
import { meetPredecessor } from './handover/heir.js';
import {
  createEstate,
  createUpgrading,
  goOn,
  opinionsOf,
  refusedUpgrade,
  type Upgrading,
  unfit,
} from './handover-parts.js';
import { removeLeftovers, requireCapabilities, requireOpenFiles } from './host.js';
import { loadAddon } from './kernel/linux/addon.js';
import { createCapabilities } from './kernel/linux/capabilities.js';
import { createChannels } from './kernel/linux/channels.js';
import { createHostLocks } from './kernel/linux/host-lock.js';
import { createLauncher } from './kernel/linux/launcher.js';
import { createNetwork } from './kernel/linux/network.js';
import { readOpenFilesLimit } from './kernel/linux/open-files.js';
import { createPacketSockets } from './kernel/linux/packet-socket.js';
import { createPrograms } from './kernel/linux/programs.js';
import { createRelay } from './kernel/linux/relay.js';
import { createResolver } from './kernel/linux/resolver.js';
import { createSupervisor } from './kernel/linux/supervisor-socket.js';
import { createVrrpSockets } from './kernel/linux/vrrp-socket.js';
import { generations } from './kernel/ports.js';
import { createKubernetesClient, type KubernetesClient } from './kubernetes/client.js';
import { loadClusterCa } from './kubernetes/credentials.js';
import { createClaims } from './names/claims.js';
import type { Ip } from './net/ip.js';
import { readNodeInterfaces } from './node-interfaces.js';
import { applyChanges, drain } from './operate.js';
import { createPlanes } from './planes.js';
import type { Program } from './program.js';
import { createRelayEstate } from './proxy/relay-estate.js';
import { watchRelay } from './proxy/relay-watch.js';
import { createSigns, type Signs } from './signs-parts.js';
import { createStandingVip, type StandingVip } from './standing-vip.js';
import { createReports, noReports } from './supervisor/driver.js';
import { statusLine } from './supervisor/status-line.js';
import type { Health } from './telemetry/http.js';
import type { LeveledLog } from './telemetry/log.js';
import { watchLoopLag } from './telemetry/loop-lag.js';
import type { Metrics } from './telemetry/metrics.js';
import { serveTelemetry } from './telemetry-parts.js';
import { millis } from './time/instant.js';
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
  /** Settles when another process has gone on, and all that was open here has ended. */
  readonly finished: Promise<'finished'>;
}

/** How long connections live on in a process after another has gone on. */
const afterlife = millis(600_000);

/**
 * Starts the daemon: what refuses for another vipd's sake first, leftovers next, then the parts, elections last.
 * Throws MissingPrivilege, or an Error of one sentence, when it cannot; nothing is left running then.
 */
export async function startDaemon(
  configuration: Configuration,
  log: LeveledLog,
  metrics: Metrics,
  { version, pid, searchPath, supervision, isStopping, heirTo, heir }: Program,
): Promise<Daemon> {
  const { settings } = configuration.loaded;
  const capabilities = createCapabilities();
  requireCapabilities(capabilities, settings);
  requireOpenFiles(readOpenFilesLimit());
  const addon = loadAddon();
  const clock = createSystemClock(() => addon.boottime());
  const closers: (() => unknown)[] = [];
  /** What is needed for as long as a connection is open. */
  const lastClosers: (() => unknown)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
    for (const closer of lastClosers.splice(0).reverse()) await closer();
  };
  /** The process that has gone on in place of this one. */
  let successor: Successor | undefined;
  let upgrading: Upgrading | undefined;
  let telemetry: AsyncDisposable | undefined;
  const vips: StandingVip[] = [];
  let givenUp: Promise<void> | undefined;
  const giveUpOnce = () => {
    if (successor !== undefined) return;
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
  let finish: (how: 'finished') => void = () => {};
  const finished = new Promise<'finished'>((resolve) => {
    finish = resolve;
  });
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  let inForce = settings;
  let signs: Signs | undefined;
  let hasGoneOn = false;
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
      if (upgrading?.isUnderWay) throw new Error('another process is about to go on in place of this one');
      const changed = settings.vips.map((vip) => changes.find(({ name }) => name === vip.name)?.settings ?? vip);
      requireCapabilities(capabilities, { ...settings, vips: changed });
      await applyChanges(vips, changes);
    },
  });
  const reload = () => reports.whileReloading(applyFile);
  const upgrade = async () => (await upgrading?.upgrade()) ?? refusedUpgrade('vipd is starting');
  const setDraining = async (request: DrainRequest) =>
    upgrading?.isUnderWay
      ? refusedUpgrade('another process is about to go on in place of this one; ask it in a moment')
      : drain(vips, await status(), request);

  try {
    const onSilence = (because: unknown) => log.warn('the process before does not say that it has left', { because });
    // What is beside the socket is found by the next life there: what kernel settings were, and what a killed process left.
    if (heirTo !== undefined && !isDoorOf(settings.admin.socket, heirTo))
      throw new Misconfigured('admin.socket is not where the running vipd has it; restart vipd for that');
    const predecessor =
      heirTo === undefined
        ? undefined
        : await meetPredecessor(createChannels(addon), heirTo, { version, clock, onSilence });
    lastClosers.push(() => predecessor?.[Symbol.dispose]());
    // Before anything on this host is touched: these refuse when another vipd runs here.
    const lock = predecessor?.lock ?? lockHost(createHostLocks(addon));
    lastClosers.push(() => lock[Symbol.dispose]());
    const control = { status, setDraining, reload, upgrade };
    const replaces = predecessor !== undefined;
    const admin: AdminServer = await prepareAdminServer({ path: settings.admin.socket, control, replaces });
    closers.push(() => (successor === undefined ? admin[Symbol.asyncDispose]() : admin.leave(clock)));
    if (predecessor === undefined) await admin.publish();
    const network = createNetwork(addon, clock);
    if (predecessor === undefined) await removeLeftovers(network, settings.vips, log);
    const relay = createRelayEstate(createRelay(addon, settings.proxy.threads), clock);
    lastClosers.push(() => relay[Symbol.dispose]());
    if (predecessor !== undefined) relay.inherit(predecessor);
    const generation = predecessor === undefined ? 0 : (predecessor.generation + 1) % generations;
    const relayWatch = watchRelay(relay, clock, (sentence) => fail(new Error(sentence)));
    lastClosers.push(() => relayWatch[Symbol.dispose]());
    const memoryFile = `${settings.admin.socket}.sysctls.json`;
    const planes = createPlanes({ addon, relay, memoryFile, generation, clock, log });
    if (predecessor === undefined) await planes.removeLeftovers(settings.vips);
    else await planes.inherit();
    upgrading = createUpgrading({
      estate: createEstate(vips, {
        relay,
        lock,
        generation,
        pid,
        predecessor,
        refusal: () => (givenUp === undefined ? undefined : 'vipd is stopping'),
        reports,
        telemetry: () => telemetry?.[Symbol.asyncDispose](),
      }),
      refusal: () => (givenUp === undefined ? (heir.refusal ?? unfit(vips, predecessor)) : 'vipd is stopping'),
      launch: (path) => createLauncher(clock).launch(heir.command(path), heir.environment),
      path: doorBeside(settings.admin.socket, randomBytes(4).toString('hex')),
      onStranded: fail,
      onHandedOver: (to) => void retire(to),
      ...{ channels: createChannels(addon), clock, log },
    });
    const retire = async (to: Successor) => {
      successor = to;
      lock[Symbol.dispose]();
      for (const vip of vips) vip.retire();
      await planes.retire();
      const over = to.finish(afterlife);
      for (const closer of closers.splice(0).reverse()) await closer();
      await over;
      await close();
      finish('finished');
    };
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
        resolver: createResolver(),
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
      // A VIP that is made anew later knows better.
      opinions: (vip: string) => (hasGoneOn ? [] : opinionsOf(predecessor, vip)),
      log,
      metrics,
    };
    const interfaces = new Map<string, InterfaceSelector>();
    const reading = await readNodeInterfaces(settings, {
      ...{ kubernetes, clock, log },
      onInterface(name, selector) {
        interfaces.set(name, selector);
        vips.find((vip) => vip.settings.name === name)?.useInterface(selector);
      },
    });
    closers.push(() => reading[Symbol.dispose]());
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
    closers.push(() => telemetry?.[Symbol.asyncDispose]());
    const serve = async () => {
      const source = { metrics, status, live, ready: () => ready(vips) };
      telemetry = await serveTelemetry(settings, source, { clock, log });
    };
    if (predecessor === undefined) await serve();
    const lag = watchLoopLag(clock, (seconds) => metrics.loopLagged(seconds));
    closers.push(() => lag[Symbol.dispose]());
    const watch = network.watch((change) => {
      for (const vip of vips) vip.network(change);
    });
    closers.push(() => watch[Symbol.dispose]());
    if (predecessor === undefined) {
      for (const vip of vips) {
        vip.start();
        // What changed since the links were listed, before there was a watch, was never told.
        vip.network({ kind: 'overrun' });
      }
    } else {
      await goOn(vips, predecessor, { network, clock, isStopping });
      relay.takeAll();
      hasGoneOn = true;
      // Whoever asks is answered all the while: by the other process until now.
      await admin.publish();
      await predecessor.leads();
      await serve();
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
      if (successor === undefined) await upgrading?.abort();
      // The VIPs first: what else runs can wait, and a probe that asks meanwhile deserves an answer.
      await giveUpOnce();
      await close();
    },
    failed,
    finished,
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
