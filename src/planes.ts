import { release } from 'node:os';
import { beyondKernel } from './config/kernel-reach.js';
import { Misconfigured } from './config/misconfigured.js';
import type { VipSettings } from './config/settings.js';
import { createIpvsDriver } from './ipvs/driver.js';
import { kubeVipLeftovers } from './ipvs/foreign.js';
import { createIpvsPlane, ipvsScheduler } from './ipvs/plane.js';
import { HostLacks, KernelError } from './kernel/errors.js';
import type { Addon } from './kernel/linux/addon.js';
import { createFlows } from './kernel/linux/flow-reset.js';
import { readFoundRules } from './kernel/linux/found-rules.js';
import { createIpvs } from './kernel/linux/ipvs.js';
import { createHostMasquerade } from './kernel/linux/masquerade.js';
import { createNftBalancing } from './kernel/linux/nft-balancing.js';
import { createRedirects } from './kernel/linux/redirects.js';
import { createSysctlMemory, createSysctls } from './kernel/linux/sysctl.js';
import { type Generation, generations, type IpvsRefusal, type Redirect, type Relay } from './kernel/ports.js';
import { createShares } from './kernel/shares.js';
import { endpoint, type Family, familyOf, type Ip, parseIp } from './net/ip.js';
import { createNftPlane } from './nft/plane.js';
import { createRelayPlane, type RelayEntry } from './proxy/relay-plane.js';
import { createHostSettings } from './sysctl/holder.js';
import type { SettingsUser } from './sysctl/needs.js';
import type { Log } from './telemetry/log.js';
import type { Clock } from './time/clock.js';
import { millis } from './time/instant.js';
import type { DataPlane } from './vip/data-plane.js';

/** Which data plane serves a VIP, and why, in a few words. */
export interface Choice {
  readonly mode: DataPlane['mode'];
  readonly because: string;
}

/** The data planes that this host can have. One for all VIPs of a daemon. */
export interface Planes {
  /**
   * Removes what an earlier life left on this host, and warns of what kube-vip left. Before the first plane is made. Rejects with
   * KernelError when the kernel refuses.
   */
  removeLeftovers(vips: readonly VipSettings[]): Promise<void>;
  /** Tries what the host can do; nothing stays changed, and what serves other VIPs is left alone. Throws Misconfigured when it cannot do what the settings ask for. */
  choose(vip: VipSettings): Promise<Choice>;
  /** Whether the mode that was chosen can do what changed settings ask for. Throws an Error of one sentence when it cannot. */
  check(mode: Choice['mode'], vip: VipSettings): Promise<void>;
  /** Removes the IPVS services at these addresses that an earlier life left. Rejects with KernelError when the kernel refuses. */
  removeServices(ips: readonly Ip[]): Promise<void>;
  /**
   * Another process has gone on, with tables of its own: of this one's stays what open connections need to be translated until they
   * end, and reaches nobody else.
   */
  retire(): Promise<void>;
  /** Instead of `removeLeftovers`: another process of this node serves by what is there, and this one is to go on. */
  inherit(): Promise<void>;
  /** Throws KernelError when a port cannot be had. */
  create(mode: Choice['mode'], vip: VipSettings, log: Log): DataPlane;
}

/** IPVS sends no news of its table: so often it is looked at. */
const ipvsLookInterval = millis(1000);
/** TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849), for trials: nobody's connections are touched. */
const trialIps: Readonly<Record<Family, Ip>> = { 4: parseIp('192.0.2.1') as Ip, 6: parseIp('2001:db8::1') as Ip };

/** @param parts.memoryFile where changed kernel settings are kept until they are given back */
export function createPlanes(parts: {
  readonly addon: Addon;
  readonly relay: Relay;
  readonly memoryFile: string;
  /** The next one to that of the process in whose place this one goes on. */
  readonly generation: Generation;
  readonly clock: Clock;
  readonly log: Log;
}): Planes {
  const { addon, relay, generation, clock, log } = parts;
  const redirects = createRedirects(clock, generation);
  const balancing = createNftBalancing(clock, generation);
  const masquerade = createHostMasquerade(clock, log);
  const ipvs = createIpvs(clock);
  const flows = createFlows(addon, clock);
  const sysctls = createSysctls();
  const memory = createSysctlMemory(parts.memoryFile);
  const hostSettings = createHostSettings({ sysctls, memory, release: release(), clock, log });
  let redirected: readonly Redirect[] = [];
  const redirectShare = createShares(async (all: readonly Redirect[]) => {
    redirected = all;
    await redirects.set(all);
  });
  const balancingShare = createShares(balancing.set);
  const masqueradeShare = createShares(masquerade.set);
  // Trials leave alone what VIPs have that are served already.
  const trials = { redirects: redirectShare(), balancing: balancingShare(), masquerade: masqueradeShare() };
  const settingsOf = (user: SettingsUser) => ({
    hold: (family: Family) => hostSettings.hold(user, family),
    trouble: hostSettings.trouble,
  });

  /** Why IPVS cannot serve this VIP, and the mend; undefined with its version when it can. */
  async function tryIpvs(vip: VipSettings): Promise<Trial> {
    const support = await ipvs.probe(ipvsScheduler(vip.loadBalancer));
    if (!support.ok) return { ok: false, ...ipvsRefusals[support.because] };
    const host = await tryHost('ipvs', vip, async (families) => {
      await trials.masquerade.set(families.map((family) => ({ ip: trialIps[family], port: 9, refuses: true })));
      await trials.masquerade.set([]);
    });
    return host.ok ? { ok: true, because: `the kernel has IPVS ${support.version}` } : host;
  }

  function tryNftables(vip: VipSettings): Promise<Trial> {
    return tryHost('nftables', vip, async (families) => {
      const services = families.map((family) => {
        const ip = trialIps[family];
        const backends = [1, 2].map((port) => ({ name: `${port}`, ip, port, weight: 1, draining: false }));
        return { ip, port: 9, scheduler: 'roundrobin' as const, backends };
      });
      await trials.balancing.set(services);
      await trials.balancing.set([]);
    });
  }

  async function removeTable(table: { set(wanted: readonly never[]): Promise<void> }): Promise<void> {
    try {
      await table.set([]);
    } catch (error) {
      log.warn('cannot look for a table of an earlier life', { because: error });
    }
  }

  async function warnOfKubeVip(): Promise<void> {
    try {
      const found = { services: await ipvs.services(), rules: await readFoundRules(clock) };
      for (const { what, remove } of kubeVipLeftovers(found, [])) {
        log.warn('kube-vip has left something that takes connections from vipd', { what, mend: remove });
      }
    } catch (error) {
      log.warn('cannot look for what kube-vip has left', { because: error });
    }
  }

  /** Where VIP:port will have to be redirected, shows now, not at failover, whether it can be. The proxy is chosen all the same. */
  async function proxy(vip: VipSettings, because: string): Promise<Choice> {
    if (entryOf(vip) === 'redirect') {
      try {
        await trials.redirects.set(familiesOf(vip).map((family) => ({ ip: trialIps[family], port: 1, toPort: 1 })));
        await trials.redirects.set([]);
      } catch (error) {
        log.error('nftables cannot redirect VIP:port to the proxy: the VIP will reach only what listens on its host', {
          because: error,
          mend: 'load the kernel module nf_tables with NAT, or give the daemon NET_ADMIN',
        });
      }
    }
    return { mode: 'proxy', because };
  }

  async function tryHost(
    user: SettingsUser,
    vip: VipSettings,
    tryTable: (families: readonly Family[]) => Promise<void>,
  ): Promise<Trial> {
    const families = familiesOf(vip);
    try {
      for (const family of families) await hostSettings.probe(user, family);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const because = `a kernel setting cannot be made (${error.message})`;
      return { ok: false, because, mend: 'make it on the host, or let the daemon write to /proc/sys/net' };
    }
    try {
      await tryTable(families);
    } catch (error) {
      if (error instanceof HostLacks) return { ok: false, because: error.because, mend: error.mend };
      if (!(error instanceof KernelError)) throw error;
      const because = `nftables refuses (${error.message})`;
      return { ok: false, because, mend: 'load the kernel module nf_tables with NAT' };
    }
    return { ok: true, because: 'configured' };
  }

  async function removeServices(ips: readonly Ip[]): Promise<void> {
    // Asking a kernel without the module would make it load it.
    if ((await sysctls.read('net/ipv4/vs/conntrack')) === undefined) return;
    for (const service of await ipvs.services()) {
      if (service.kind !== 'address' || service.protocol !== 'tcp' || !ips.includes(service.ip)) continue;
      await ipvs.apply([{ kind: 'remove-service', service }]);
      log.warn('leftover removed', { service: endpoint(service.ip, service.port), because: 'IPVS service of a VIP' });
    }
  }

  return {
    async removeLeftovers(vips) {
      await hostSettings.restoreLeftovers();
      for (let each = 0; each < (tablesEnd(release()) ? 1 : generations); each++) {
        for (const table of [createRedirects(clock, each), createNftBalancing(clock, each)]) await removeTable(table);
      }
      // Asking a kernel without the module would make it load it.
      if ((await sysctls.read('net/ipv4/vs/conntrack')) === undefined) return;
      await removeTable(masquerade);
      await removeServices(vips.flatMap((vip) => vip.addresses.map(({ ip }) => ip)));
      await warnOfKubeVip();
    },
    async retire() {
      await removeTable(balancing);
      try {
        await redirects.set(redirected.map(({ ip, toPort }) => ({ ip, port: toPort, toPort })));
      } catch (error) {
        log.warn('redirects stay until what is open here has ended', { because: error });
      }
    },
    async inherit() {
      await hostSettings.inherit();
    },
    removeServices,
    async choose(vip) {
      const { mode } = vip.loadBalancer;
      switch (mode) {
        case 'off':
        case 'proxy':
          return await proxy(vip, 'configured');
        case 'auto': {
          const obstacle = needsProxy(vip);
          if (obstacle !== undefined) return await proxy(vip, obstacle);
          const { ok, because } = await tryIpvs(vip);
          return ok ? { mode: 'ipvs', because } : await proxy(vip, because);
        }
        case 'ipvs':
        case 'nftables': {
          const trial = await (mode === 'ipvs' ? tryIpvs : tryNftables)(vip);
          if (trial.ok) return { mode, because: 'configured' };
          throw new Misconfigured(
            `vips: ${vip.name}: loadBalancer.mode is ${mode}, but ${trial.because}; ${trial.mend}, or set another mode ` +
              '(--load-balancer, VIPD_LOAD_BALANCER)',
          );
        }
      }
    },
    async check(mode, vip) {
      if (mode === 'proxy') return;
      const obstacle = needsProxy(vip);
      if (obstacle !== undefined)
        throw new Error(`${obstacle}, which ${mode} does not reach; restart vipd in mode proxy`);
      if (mode !== 'ipvs') return;
      const scheduler = ipvsScheduler(vip.loadBalancer);
      const support = await ipvs.probe(scheduler);
      if (support.ok) return;
      const { because, mend } = ipvsRefusals[support.because];
      throw new Error(`scheduler ${vip.loadBalancer.scheduler} (${scheduler}): ${because}; ${mend}`);
    },
    create(mode, vip, vipLog) {
      const ips = vip.addresses.map(({ ip }) => ip);
      const { loadBalancer: config } = vip;
      const common = { ips, config, clock, log: vipLog };
      switch (mode) {
        case 'ipvs': {
          const driver = createIpvsDriver({
            ...common,
            ipvs,
            flows,
            masquerade: masqueradeShare(),
            settings: settingsOf('ipvs'),
            lookInterval: ipvsLookInterval,
          });
          return createIpvsPlane({ ...common, driver });
        }
        case 'nftables':
          return createNftPlane({
            ...common,
            flows,
            balancing,
            services: balancingShare(),
            settings: settingsOf('nftables'),
          });
        case 'proxy':
          return createRelayPlane({
            ...common,
            relay,
            redirects: redirectShare(),
            entry: entryOf(vip),
          });
      }
    },
  };
}

type Trial =
  | { readonly ok: true; readonly because: string }
  | { readonly ok: false; readonly because: string; readonly mend: string };

const ipvsRefusals: Readonly<Record<IpvsRefusal, { readonly because: string; readonly mend: string }>> = {
  'no-ip-vs': { because: 'the kernel has no IPVS', mend: 'load its module (modprobe ip_vs)' },
  'no-scheduler': {
    because: 'IPVS lacks the scheduler',
    mend: 'load its module (modprobe ip_vs_rr, modprobe ip_vs_lc; for weights ip_vs_wrr, ip_vs_wlc)',
  },
  'not-permitted': {
    because: 'IPVS may not be changed here',
    mend: 'give the daemon NET_ADMIN in the network namespace of the host',
  },
};

function familiesOf(vip: VipSettings): readonly Family[] {
  return [...new Set(vip.addresses.map(({ ip }) => familyOf(ip)))];
}

/** Nodes have API servers, which listen on every address. */
function entryOf(vip: VipSettings): RelayEntry {
  return vip.loadBalancer.backends.from === 'nodes' ? 'redirect' : 'listen';
}

function needsProxy({ addresses, loadBalancer }: VipSettings): string | undefined {
  const { backends } = loadBalancer;
  return backends.from === 'static' ? beyondKernel(addresses, backends.servers)?.because : undefined;
}

/** Whether the kernel removes a table with the process that made it (NFT_TABLE_F_OWNER, Linux 5.12). @param release the kernel's */
function tablesEnd(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 12);
}
