import { formatCidr } from '../net/cidr.js';
import { type Family, familyOf } from '../net/ip.js';
import { beyondKernel } from './kernel-reach.js';
import { shown } from './kinds.js';
import type { ValuesOf, vipSettings } from './schema.js';
import type { DnsMode, VipAddress } from './settings.js';

type VipValues = Partial<ValuesOf<typeof vipSettings>>;
type VipPath = keyof typeof vipSettings;

/** Says what is wrong with a setting; `related` are the other settings that the sentence is about. */
type Refuse = (path: VipPath, message: string, ...related: VipPath[]) => void;

/**
 * What settings must be to each other, within a VIP and between VIPs. A value that was refused is absent, and the rules that need
 * it are passed over.
 * @param hasKubeconfig whether the configuration names one
 */
export function checkVips(
  vips: readonly VipValues[],
  hasKubeconfig: boolean,
  refuse: (index: number, path: VipPath, message: string, related: readonly VipPath[]) => void,
): void {
  vips.forEach((vip, index) => {
    const refuseHere: Refuse = (path, message, ...related) => refuse(index, path, message, related);
    if (vip['election.type'] === 'lease') checkLease(vip, refuseHere);
    if (vip['election.type'] === 'vrrp') checkVrrp(vip, refuseHere);
    if (vip['loadBalancer.mode'] === 'off') return;
    checkBackends(vip, refuseHere);
    checkMode(vip, refuseHere);
    checkHealthCheck(vip, hasKubeconfig, refuseHere);
  });
  checkDistinct(vips, (index, path, message) => refuse(index, path, message, []));
}

/** What must differ between VIPs; whatever the first has, the later one is refused. */
function checkDistinct(
  vips: readonly VipValues[],
  refuse: (index: number, path: VipPath, message: string) => void,
): void {
  const names = new Map<string, number>();
  const addresses = new Map<string, number>();
  const leases = new Map<string, number>();
  const routers = new Map<string, number>();
  vips.forEach((vip, index) => {
    const isTaken = <K>(seen: Map<K, number>, key: K): number | undefined => {
      const earlier = seen.get(key);
      if (earlier === undefined) seen.set(key, index);
      return earlier;
    };
    if (vip.name !== undefined) {
      const earlier = isTaken(names, vip.name);
      if (earlier !== undefined)
        refuse(index, 'name', `vips[${earlier}] is also called ${shown(vip.name)}; give each VIP its own name`);
    }
    for (const address of vip.addresses ?? []) {
      const earlier = isTaken(addresses, 'name' in address ? address.name : address.ip);
      if (earlier !== undefined) {
        const who = earlier === index ? 'given twice' : `also an address of vips[${earlier}]`;
        const what = 'name' in address ? address.name : formatCidr(address);
        refuse(index, 'addresses', `${what} is ${who}; give each address once`);
      }
    }
    const vrid = vip['election.vrrp.virtualRouterId'];
    // Two that write no interface may well get the same one.
    if (vip['election.type'] === 'vrrp' && vrid !== undefined) {
      const taken = spokenFamilies(vip).map((family) => isTaken(routers, `${vip.interface ?? ''} ${vrid} ${family}`));
      const other = taken.find((earlier) => earlier !== undefined);
      if (other !== undefined) {
        const where = vip.interface === undefined ? '' : ` on ${vip.interface}`;
        const orName = vip.interface === undefined ? ', or write their interfaces' : '';
        refuse(
          index,
          'election.vrrp.virtualRouterId',
          `vips[${other}] is virtual router ${vrid}${where} already; give each VIP its own number${orName}`,
        );
      }
    }
    const lease = vip['election.lease.name'];
    if (vip['election.type'] !== 'lease' || lease === undefined) return;
    const earlier = isTaken(leases, `${vip['election.lease.namespace']}/${lease}`);
    if (earlier !== undefined) {
      refuse(
        index,
        'election.lease.name',
        `vips[${earlier}] has the Lease ${lease} already; give each VIP its own Lease`,
      );
    }
  });
}

/** Routers of IPv4 and of IPv6 are numbered apart. Version 2 speaks IPv4 alone; unicast, the families that the peers have. */
function spokenFamilies(vip: VipValues): readonly (4 | 6)[] {
  const { addresses = [], 'election.vrrp.version': version, 'election.vrrp.unicastPeers': peers = [] } = vip;
  if (version === undefined) return [];
  const has = (family: Family) => addresses.some((address) => mayHave(address, family, vip.dnsMode));
  const hears = (family: Family) => peers.length === 0 || peers.some((ip) => familyOf(ip) === family);
  const known = version === 2 ? ([4] as const) : ([4, 6] as const);
  return known.filter((family) => has(family) && hears(family));
}

/**
 * client-go's rules for the three times (leaderelection.go, NewLeaderElector: JitterFactor 1.2), and that a dead leader's address
 * is gone before another node may take the Lease.
 */
function checkLease(vip: VipValues, refuse: Refuse): void {
  const duration = vip['election.lease.duration'];
  const renewDeadline = vip['election.lease.renewDeadline'];
  const retryPeriod = vip['election.lease.retryPeriod'];
  const deadManSwitch = vip.deadManSwitch;
  if (renewDeadline !== undefined && duration !== undefined && renewDeadline >= duration) {
    refuse(
      'election.lease.renewDeadline',
      `${text(renewDeadline)} is not less than the lease duration, ${text(duration)}; shorten it or lengthen election.lease.duration`,
      'election.lease.duration',
    );
  }
  if (retryPeriod !== undefined && renewDeadline !== undefined && retryPeriod * 1.2 >= renewDeadline) {
    refuse(
      'election.lease.retryPeriod',
      `1.2 times ${text(retryPeriod)} is not less than the renew deadline, ${text(renewDeadline)}; shorten it or lengthen election.lease.renewDeadline`,
      'election.lease.renewDeadline',
    );
  }
  if (duration === undefined || retryPeriod === undefined || deadManSwitch === undefined || deadManSwitch === 'off')
    return;
  const longest = Math.max(0, duration - retryPeriod);
  if (deadManSwitch > longest) {
    refuse(
      'deadManSwitch',
      `${text(deadManSwitch)} is more than the lease duration less the retry period, ${text(longest)}: a dead leader could keep the address after another took it; shorten it or lengthen election.lease.duration`,
      'election.lease.duration',
      'election.lease.retryPeriod',
    );
  }
}

/** What VRRP can say in its packets, and that routers can hear each other. */
function checkVrrp(vip: VipValues, refuse: Refuse): void {
  const { addresses, 'election.vrrp.version': version, 'election.vrrp.advertInterval': interval } = vip;
  const peers = vip['election.vrrp.unicastPeers'] ?? [];
  const source = vip['election.vrrp.unicastSource'];
  if (version === undefined) return;
  if (interval !== undefined && version === 2 && (interval % 1000 !== 0 || interval > 255_000)) {
    refuse(
      'election.vrrp.advertInterval',
      `VRRP version 2 has whole seconds, at most 255s; write ${Math.min(255, Math.ceil(interval / 1000))}s, or set election.vrrp.version to 3`,
      'election.vrrp.version',
    );
  }
  if (interval !== undefined && version === 3 && (interval % 10 !== 0 || interval > 40_950)) {
    refuse(
      'election.vrrp.advertInterval',
      `VRRP version 3 has hundredths of a second, at most 40.95s; write ${text(Math.min(40_950, Math.ceil(interval / 10) * 10))}`,
      'election.vrrp.version',
    );
  }
  if (version === 3 && vip['election.vrrp.authPass'] !== undefined && vip['election.vrrp.authPass'] !== '') {
    refuse(
      'election.vrrp.authPass',
      'VRRP version 3 has no passwords; remove it, or set election.vrrp.version to 2',
      'election.vrrp.version',
    );
  }
  const delay = vip['election.vrrp.preemptDelay'];
  if (vip['election.vrrp.preempt'] === false && delay !== undefined && delay > 0) {
    refuse(
      'election.vrrp.preemptDelay',
      'this router does not preempt, so there is nothing to delay; remove it, or set election.vrrp.preempt to true',
      'election.vrrp.preempt',
    );
  }
  if (addresses === undefined) return;
  // Routers that disagree about the list do not hear each other, and two masters must have no address in common.
  if (addresses.length > 1 && addresses.some((address) => 'name' in address)) {
    refuse(
      'addresses',
      'with VRRP a DNS name has a VIP of its own, because routers look names up each at its own time; make two VIPs',
      'election.type',
    );
  }
  const has = (family: 4 | 6) => addresses.some((address) => mayHave(address, family, vip.dnsMode));
  if (version === 2 && !has(4)) {
    refuse(
      'election.vrrp.version',
      'VRRP version 2 knows no IPv6, and the VIP has no IPv4 address; write 3, or give it one',
      'addresses',
    );
  }
  if (peers.length > 0 && spokenFamilies(vip).length === 0) {
    refuse(
      'election.vrrp.unicastPeers',
      'no peer has an address of the same family as the VIP, so nothing could be sent; give the peers’ other addresses',
      'addresses',
    );
  }
  if (source !== undefined && peers.includes(source)) {
    refuse(
      'election.vrrp.unicastPeers',
      `${source} is this host itself (election.vrrp.unicastSource); list the other routers only`,
      'election.vrrp.unicastSource',
    );
  }
}

function mayHave(address: VipAddress, family: Family, dnsMode: DnsMode = 'first'): boolean {
  if (!('name' in address)) return familyOf(address.ip) === family;
  return dnsMode === 'first' || dnsMode === 'dual' || dnsMode === `ipv${family}`;
}

function text(duration: number): string {
  return duration % 1000 === 0 ? `${duration / 1000}s` : `${duration}ms`;
}

function checkBackends(vip: VipValues, refuse: Refuse): void {
  const from = vip['loadBalancer.backends.from'];
  const servers = vip['loadBalancer.backends.servers'];
  if (from === 'nodes' && servers !== undefined) {
    refuse(
      'loadBalancer.backends.servers',
      'servers are given, but the backends come from nodes; set loadBalancer.backends.from to static, or remove them',
    );
  }
  if (from === 'static' && servers === undefined) {
    refuse('loadBalancer.backends.servers', 'no servers are given; list each as { name, address: "ip:port" }');
  }
  if (from === 'static' && vip['loadBalancer.backends.port'] !== undefined) {
    refuse('loadBalancer.backends.port', 'each static server has its own port; remove this one');
  }
}

/** What a mode cannot do by its nature; what this kernel lacks is known when the daemon starts. */
function checkMode(vip: VipValues, refuse: Refuse): void {
  const mode = vip['loadBalancer.mode'];
  if (mode !== 'proxy' && mode !== 'off' && vip['loadBalancer.proxyProtocol'] === 'v2') {
    refuse(
      'loadBalancer.proxyProtocol',
      'only the proxy can put a header before the data; set loadBalancer.mode to proxy, or remove this',
      'loadBalancer.mode',
    );
  }
  if (mode !== 'ipvs' && mode !== 'nftables') return;
  if (mode === 'nftables' && vip['loadBalancer.scheduler'] === 'leastconn') {
    refuse(
      'loadBalancer.scheduler',
      'nftables gives connections in turns only; write roundrobin, or set loadBalancer.mode to ipvs or proxy',
      'loadBalancer.mode',
    );
  }
  const { addresses, 'loadBalancer.backends.servers': servers } = vip;
  if (vip['loadBalancer.backends.from'] !== 'static' || addresses === undefined || servers === undefined) return;
  const known = addresses.flatMap((address) => ('name' in address ? [] : [address]));
  // What families a name has is known when it has been looked up.
  if (known.length < addresses.length) return;
  const beyond = beyondKernel(known, servers);
  if (beyond === undefined) return;
  refuse(
    'loadBalancer.backends.servers',
    `${beyond.because}, which ${mode} does not reach; give another address, or set loadBalancer.mode to proxy`,
    'loadBalancer.mode',
  );
}

const httpsKeys = ['path', 'aliveStatuses', 'ca', 'serverName', 'insecure'] as const;

function checkHealthCheck(vip: VipValues, hasKubeconfig: boolean, refuse: Refuse): void {
  const {
    'loadBalancer.healthCheck.type': type,
    'loadBalancer.healthCheck.ca': ca,
    'loadBalancer.healthCheck.insecure': insecure,
    'loadBalancer.healthCheck.interval': interval,
    'loadBalancer.healthCheck.fastInterval': fastInterval,
  } = vip;
  if (interval !== undefined && fastInterval !== undefined && fastInterval > interval) {
    refuse(
      'loadBalancer.healthCheck.fastInterval',
      `${text(fastInterval)} is longer than the interval, ${text(interval)}; shorten it`,
      'loadBalancer.healthCheck.interval',
    );
  }
  if (type === 'tcp') {
    for (const key of httpsKeys) {
      const path = `loadBalancer.healthCheck.${key}` as const;
      if (vip[path] === undefined || vip[path] === false) continue;
      refuse(path, 'checks are tcp, which do not have this; set loadBalancer.healthCheck.type to https, or remove it');
    }
  }
  if (type !== 'https') return;
  if (insecure === true && ca !== undefined) {
    refuse(
      'loadBalancer.healthCheck.insecure',
      'certificates are verified with the CA that is given, or not at all; remove this or loadBalancer.healthCheck.ca',
    );
  }
  const hasApi = hasKubeconfig || vip['election.type'] === 'lease' || vip['loadBalancer.backends.from'] === 'nodes';
  if (!hasApi && ca === undefined && insecure === false) {
    refuse(
      'loadBalancer.healthCheck.ca',
      "https checks have nothing to verify certificates with; name the file of the backends' CA, or a kubernetes.kubeconfig that has it",
      'loadBalancer.healthCheck.type',
    );
  }
}
