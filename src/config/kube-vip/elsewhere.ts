import { type KubeVipSetting, toggle, type Verdict, value, whenOn } from './setting.js';

const stay = 'set vip_arp instead, or stay with kube-vip';
const onlyBgp = 'of BGP; without it nothing comes of it, as in kube-vip';
const onlyTables = 'of the routing table mode; without it nothing comes of it, as in kube-vip';
const onlyDhcp = 'of `vip_ddns`; without it nothing comes of it, as in kube-vip';
const onlyServices = 'of Services, of which `svc_enable` is said to be ignored';
const nothing = 'nothing comes of it, as in kube-vip';
const serves = 'vipd serves the control plane and no Services';

/** What kube-vip has beside the control plane by ARP and NDP. */
export const elsewhere: readonly KubeVipSetting[] = [
  toggle(
    ['bgp_enable', 'bgp'],
    'refused',
    'vipd announces by ARP and NDP, not by BGP',
    whenOn({ refused: `vipd announces by ARP and NDP, not by BGP; ${stay}` }),
  ),
  toggle(
    ['vip_routingtable', 'table'],
    'refused',
    'vipd announces by ARP and NDP, and keeps no routing tables',
    whenOn({ refused: `vipd announces by ARP and NDP, and keeps no routing tables; ${stay}` }),
  ),
  toggle(
    ['vip_wireguard', 'wireguard'],
    'refused',
    'vipd announces by ARP and NDP, and has no WireGuard',
    whenOn({ refused: `vipd announces by ARP and NDP, and has no WireGuard; ${stay}` }),
  ),
  toggle(
    ['vip_packet', 'metal'],
    'refused',
    'vipd knows no API of Equinix Metal',
    whenOn({ refused: `vipd announces by ARP and NDP, and knows no API of Equinix Metal; ${stay}` }),
  ),
  toggle(
    ['vip_ddns', 'ddns'],
    'refused',
    'vipd asks no DHCP server for its address',
    whenOn({ refused: 'vipd asks no DHCP server for its address; write the address into address, and remove it' }),
  ),
  value([undefined, 'config-file'], 'refused', "kube-vip's own file is not read; see `--config`", () => ({
    refused: "kube-vip's own file is not read; write its settings as variables, or a file of vipd for --config",
  })),
  toggle(
    ['svc_enable', 'services'],
    'ignored',
    `${serves}: leave kube-vip to those, without \`cp_enable\`. Refused without \`cp_enable\``,
    (isOn, given) => {
      if (!isOn) return {};
      return given.isOn('cp_enable')
        ? { ignored: `${serves}; leave kube-vip to those, without cp_enable` }
        : { refused: `${serves}; set cp_enable, or leave kube-vip to the Services` };
    },
  ),
  ...switches('same', onlyBgp, [
    ['bgp_multihop', 'multihop'],
    ['bgp_attach_ip_to_interface', 'bgpAttachIPToInterface'],
    ['zebra_enable', 'zebra'],
  ]),
  ...values('same', onlyBgp, [
    ['bgp_routerid', 'bgpRouterID'],
    ['bgp_routerinterface'],
    ['bgp_as', 'localAS'],
    ['bgp_peeraddress', 'peerAddress'],
    ['bgp_peeras', 'peerAS'],
    ['bgp_peerpass', 'peerPass'],
    ['bgp_peers', 'bgppeers'],
    ['bgp_sourceif', 'sourceIF'],
    ['bgp_sourceip', 'sourceIP'],
    ['bgp_hold_time', 'bgpHoldTimer'],
    ['bgp_keepalive_interval', 'bgpKeepAliveInterval'],
    ['mpbgp_nexthop'],
    ['mpbgp_ipv4'],
    ['mpbgp_ipv6'],
    ['annotation', 'annotations'],
    ['zebra_url', 'zebraUrl'],
    ['zebra_version', 'zebraVersion'],
    ['zebra_software_name', 'zebraSoftwareName'],
  ]),
  ...values('same', onlyTables, [
    ['vip_routingtableid', 'tableID'],
    ['vip_routingtabletype', 'tableType'],
    ['vip_routingprotocol', 'routingProtocol'],
  ]),
  ...switches('same', onlyTables, [['vip_cleanroutingtable', 'cleanRoutingTable']]),
  ...values(
    'same',
    'of BGP and routing tables; with ARP nothing comes of it, as in kube-vip (see `loadBalancer.healthCheck`)',
    [
      ['control_plane_health_check_address', 'controlPlaneHealthCheckAddress'],
      ['control_plane_health_check_period_seconds', 'controlPlaneHealthCheckPeriodSeconds'],
      ['control_plane_health_check_timeout_seconds', 'controlPlaneHealthCheckTimeoutSeconds'],
      ['control_plane_health_check_failure_threshold', 'controlPlaneHealthCheckFailureThreshold'],
      ['control_plane_health_check_ca_path', 'controlPlaneHealthCheckCAPath'],
    ],
  ),
  ...values('same', onlyDhcp, [
    ['dhcp_mode', 'dhcpMode'],
    ['dhcp_backoff_attempts', 'dhcpBackoffAttempts'],
  ]),
  ...values('same', 'of the election by etcd; without it nothing comes of it, as in kube-vip', [
    [undefined, 'etcdCACert'],
    [undefined, 'etcdCert'],
    [undefined, 'etcdKey'],
    [undefined, 'etcdEndpoints'],
  ]),
  ...switches('ignored', onlyServices, [
    ['svc_election', 'servicesElection'],
    ['per_service_election_on_demand'],
    ['lb_class_only', 'lbClassOnly'],
    ['lb_class_legacy_handling', 'lbClassNameLegacyHandling'],
    ['enable_endpoints', 'enableEndpoints'],
    ['enable_endpointslices', 'enableEndpointSlices'],
    ['enable_service_security', 'onlyAllowTrafficServicePorts'],
    ['enable_upnp'],
    ['disable_service_updates', 'disableServiceUpdates'],
    ['egress_enableinternalsnat'],
    ['egress_clean'],
  ]),
  ...values('ignored', onlyServices, [
    ['svc_namespace', 'serviceNamespace'],
    ['svc_leasename', 'servicesLeaseName'],
    ['lb_class_name', 'lbClassName'],
    ['vip_servicesinterface', 'serviceInterface', 'servicesInterface'],
    ['mirror_dest_interface', 'mirrorDestInterface'],
    ['egress_podcidr', 'egressPodCidr'],
    ['egress_servicecidr', 'egressServiceCidr'],
    ['instance_name', 'instanceName'],
    ['INSTANCE_NAME'],
    [undefined, 'debounceTime'],
  ]),
  ...switches('same', nothing, [['vip_singlenode'], ['vip_startleader'], ['addPeersAsBackends']]),
  ...values('same', nothing, [
    ['vip_configmap'],
    ['config_file'],
    ['provider_config', 'provider-config'],
    ['vip_packetproject', 'metalProject'],
    ['vip_packetprojectid', 'metalProjectID'],
  ]),
];

type NameLists = readonly (readonly [string | undefined, ...string[]])[];

function values(verdict: Verdict, doc: string, all: NameLists): readonly KubeVipSetting[] {
  return all.map((names) => value(names, verdict, doc));
}

/** Nothing comes of them, so whatever stands for on or off is taken. */
function switches(verdict: Verdict, doc: string, all: NameLists): readonly KubeVipSetting[] {
  return all.map((names) => ({ ...value(names, verdict, doc), isSwitch: true }));
}
