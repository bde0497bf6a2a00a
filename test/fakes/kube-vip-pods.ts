type Environment = Readonly<Record<string, string>>;

const oldLease: Environment = {
  vip_leaderelection: 'true',
  vip_leasename: 'plndr-cp-lock',
  vip_leaseduration: '5',
  vip_renewdeadline: '3',
  vip_retryperiod: '1',
};

/**
 * The environment that kube-vip's own generator writes into the manifest of a control plane's static pod, by its version and flags;
 * what the cluster fills in is as it is on cp1.
 */
export const kubeVipPods = {
  /** `--controlplane --services --arp --leaderElection --interface --address` */
  'v0.7': {
    vip_arp: 'true',
    port: '6443',
    vip_interface: 'eth0',
    vip_cidr: '32',
    dns_mode: 'first',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    svc_enable: 'true',
    svc_leasename: 'plndr-svcs-lock',
    ...oldLease,
    address: '10.77.0.100',
    prometheus_server: ':2112',
  },
  /** `--controlplane --arp --leaderElection --interface --address --enableLoadBalancer --lbPort 8443 --lbForwardingMethod masquerade` */
  'v0.8': {
    vip_arp: 'true',
    port: '6443',
    vip_nodename: 'cp1',
    vip_interface: 'eth0',
    vip_cidr: '32',
    dns_mode: 'first',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    ...oldLease,
    lb_enable: 'true',
    lb_port: '8443',
    lb_fwdmethod: 'masquerade',
    address: '10.77.0.100',
    prometheus_server: ':2112',
  },
  /** As v0.8 with other lease times, several addresses, nodes labelled. */
  'v1.0': {
    vip_arp: 'true',
    port: '6443',
    vip_nodename: 'cp1',
    vip_interface: 'eth0',
    vip_subnet: '24,64',
    dns_mode: 'first',
    dhcp_mode: 'ipv4',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    ...oldLease,
    vip_leaseduration: '4',
    vip_retryperiod: '2',
    enable_node_labeling: 'true',
    address: '10.77.0.100,fd77::100',
    prometheus_server: ':2112',
  },
  /** `--controlplane --arp --leaderElection --interface --address --enableLoadBalancer`; the election's times are the new defaults. */
  'v1.2': {
    vip_arp: 'true',
    port: '6443',
    vip_nodename: 'cp1',
    vip_interface: 'eth0',
    vip_subnet: '32',
    dns_mode: 'first',
    dhcp_mode: 'ipv4',
    cp_enable: 'true',
    cp_namespace: 'kube-system',
    ...oldLease,
    vip_leaseduration: '15',
    vip_renewdeadline: '10',
    vip_retryperiod: '2',
    lb_enable: 'true',
    lb_port: '6443',
    lb_fwdmethod: 'local',
    address: '10.77.0.100',
    prometheus_server: ':2112',
  },
} as const satisfies Readonly<Record<string, Environment>>;
