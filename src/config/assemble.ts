import { type Entries, valuesOf } from './entry.js';
import type { globalSettings, ValuesOf, vipSettings } from './schema.js';
import type { HealthCheckSettings, Settings, VipSettings } from './settings.js';

/** Only for entries without a problem: then every value that the table promises is there. */
export function toSettings(global: Entries, vips: readonly Entries[]): Settings {
  const value = valuesOf<typeof globalSettings>(global) as ValuesOf<typeof globalSettings>;
  return {
    node: { name: value['node.name'] ?? '' },
    kubernetes: {
      kubeconfig: value['kubernetes.kubeconfig'],
      server: value['kubernetes.server'],
      nodeLabel: value['kubernetes.nodeLabel'],
      events: value['kubernetes.events'],
    },
    vips: vips.map((entries) => toVipSettings(valuesOf<typeof vipSettings>(entries) as ValuesOf<typeof vipSettings>)),
    metrics: { listen: value['metrics.listen'] },
    health: { listen: value['health.listen'] },
    proxy: { threads: value['proxy.threads'] },
    admin: { socket: value['admin.socket'] },
    log: { level: value['log.level'], format: value['log.format'] },
  };
}

function toVipSettings(value: ValuesOf<typeof vipSettings>): VipSettings {
  return {
    name: value.name ?? '',
    addresses: (value.addresses ?? []).flatMap((address) => ('name' in address ? [] : [address])),
    dns: {
      names: (value.addresses ?? []).flatMap((address) => ('name' in address ? address.name : [])),
      mode: value.dnsMode,
      interval: value.dnsInterval,
    },
    interface: value.interface,
    election: {
      type: value['election.type'],
      lease: {
        namespace: value['election.lease.namespace'],
        name: value['election.lease.name'],
        duration: value['election.lease.duration'],
        renewDeadline: value['election.lease.renewDeadline'],
        retryPeriod: value['election.lease.retryPeriod'],
        annotations: value['election.lease.annotations'] ?? {},
      },
      vrrp: {
        version: value['election.vrrp.version'] === 2 ? 2 : 3,
        virtualRouterId: value['election.vrrp.virtualRouterId'],
        priority: value['election.vrrp.priority'],
        advertInterval: value['election.vrrp.advertInterval'],
        preempt: value['election.vrrp.preempt'],
        preemptDelay: value['election.vrrp.preemptDelay'],
        authPass: value['election.vrrp.authPass'],
        unicastSource: value['election.vrrp.unicastSource'],
        unicastPeers: value['election.vrrp.unicastPeers'],
        checksum: value['election.vrrp.checksum'],
        trackWeight: value['election.vrrp.trackWeight'],
        track: {
          interfaces: value['election.vrrp.track.interfaces'],
          scripts: value['election.vrrp.track.scripts'],
        },
        notify: {
          master: value['election.vrrp.notify.master'],
          backup: value['election.vrrp.notify.backup'],
          fault: value['election.vrrp.notify.fault'],
          stop: value['election.vrrp.notify.stop'],
          all: value['election.vrrp.notify.all'],
        },
      },
      onApiLoss: value['election.onApiLoss'],
    },
    announce: { burst: value['announce.burst'], interval: value['announce.interval'] },
    deadManSwitch: value.deadManSwitch,
    loadBalancer: {
      mode: value['loadBalancer.mode'],
      ports: value['loadBalancer.ports'],
      scheduler: value['loadBalancer.scheduler'],
      weighted: (value['loadBalancer.backends.servers'] ?? []).some(({ weight }) => weight !== 1),
      backends:
        value['loadBalancer.backends.from'] === 'nodes'
          ? { from: 'nodes', port: value['loadBalancer.backends.port'] ?? 0 }
          : { from: 'static', servers: value['loadBalancer.backends.servers'] ?? [] },
      healthCheck: toHealthCheck(value),
      connectTimeout: value['loadBalancer.connectTimeout'],
      proxyProtocol: value['loadBalancer.proxyProtocol'],
      whenBackendDown: value['loadBalancer.whenBackendDown'],
    },
  };
}

function toHealthCheck(value: ValuesOf<typeof vipSettings>): HealthCheckSettings {
  const interval = value['loadBalancer.healthCheck.interval'];
  const times = {
    interval,
    fastInterval: value['loadBalancer.healthCheck.fastInterval'] ?? interval,
    timeout: value['loadBalancer.healthCheck.timeout'],
    fall: value['loadBalancer.healthCheck.fall'],
    rise: value['loadBalancer.healthCheck.rise'],
  };
  if (value['loadBalancer.healthCheck.type'] !== 'https') return { type: 'tcp', ...times };
  return {
    type: 'https',
    ...times,
    path: value['loadBalancer.healthCheck.path'] ?? '',
    serverName: value['loadBalancer.healthCheck.serverName'],
    aliveStatuses: value['loadBalancer.healthCheck.aliveStatuses'] ?? [],
    ca: value['loadBalancer.healthCheck.ca'],
    insecure: value['loadBalancer.healthCheck.insecure'] ?? false,
  };
}
