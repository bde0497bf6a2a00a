import { familyOf, parseIp } from '../../net/ip.js';
import { carryAddresses, readPrefixes } from './addresses.js';
import {
  type GivenTexts,
  type KubeVipSetting,
  type Outcome,
  type SettingPath,
  toggle,
  value,
  whenOn,
  wholeNumber,
} from './setting.js';

/** What kube-vip's control plane by ARP and NDP has, and vipd too. */
export const controlPlane: readonly KubeVipSetting[] = [
  toggle(['cp_enable', 'controlplane'], 'same', 'the VIP of the control plane; `false` is refused', (isOn, given) =>
    isOn || given.isOn('svc_enable')
      ? {}
      : { refused: 'without a control plane there is no VIP for vipd; set it to true, or do not start vipd' },
  ),
  toggle(['vip_arp', 'arp'], 'same', 'vipd always announces by ARP and NDP', (isOn) =>
    isOn ? {} : { note: 'vipd announces by ARP and NDP all the same' },
  ),
  value(['address', 'address'], 'same', '`addresses`; several are separated by commas', carryAddresses),
  value(['vip_address', 'vip'], 'same', 'the former name of `address`, which wins over it', (text, given) =>
    given.text('address') === undefined ? carryAddresses(text, given) : {},
  ),
  value(
    ['vip_subnet', 'vipSubnet'],
    'other',
    "the prefix in `addresses`: IPv4's, then IPv6's; whatever it is, vipd puts the address on as a /32 or /128. `auto`, which is for Services, is ignored",
    carryPrefix,
  ),
  value(['vip_cidr', 'cidr'], 'other', 'the former name of `vip_subnet`, which wins over it', carryPrefix),
  value(
    ['vip_interface', 'interface'],
    'better',
    '`interface`; left out, it is the one whose subnet holds the address, before that of the default route',
    to('interface'),
  ),
  toggle(['vip_leaderelection', 'leaderElection'], 'same', 'always on, as in kube-vip with ARP'),
  value([undefined, 'leaderElectionType'], 'refused', '`etcd` is refused; `kubernetes` is what vipd has', (text) =>
    text === 'kubernetes'
      ? {}
      : { refused: 'vipd elects by a Lease of Kubernetes alone; remove it, or stay with kube-vip' },
  ),
  value(
    ['vip_leasename', 'leaseName'],
    'same',
    '`election.lease.name`; `namespace/name` gives both',
    (text): Outcome => {
      const [, namespace, name] = /^([^/]+)\/(.*)$/s.exec(text) ?? [];
      return namespace === undefined
        ? { set: { 'election.lease.name': text } }
        : { set: { 'election.lease.name': name, 'election.lease.namespace': namespace } };
    },
  ),
  value(
    ['cp_namespace', 'namespace', 'n'],
    'same',
    "`election.lease.namespace`; in a pod with a service account that pod's namespace, as kube-vip has it, unless `vip_leasename` has one",
    (text, given) => (given.text('vip_leasename')?.includes('/') ? {} : { set: { 'election.lease.namespace': text } }),
  ),
  value(
    ['vip_leaseduration', 'leaseDuration'],
    'same',
    '`election.lease.duration` in seconds, 15 if not given; a short one shortens `deadManSwitch`',
    seconds('election.lease.duration', 15),
  ),
  value(
    ['vip_renewdeadline', 'leaseRenewDuration'],
    'same',
    '`election.lease.renewDeadline` in seconds, 10 if not given',
    seconds('election.lease.renewDeadline', 10),
  ),
  value(
    ['vip_retryperiod', 'leaseRetry'],
    'better',
    '`election.lease.retryPeriod` in seconds, 2 if not given; a Lease that is given up is seen at once',
    seconds('election.lease.retryPeriod', 2),
  ),
  value(['vip_nodename', 'nodeName'], 'same', '`node.name`, in lower case', (text) => ({
    set: { 'node.name': text.toLowerCase() },
  })),
  toggle(
    ['lb_enable', 'enableLoadBalancer'],
    'better',
    '`loadBalancer.mode`: `auto`, which is IPVS or the proxy, or `off`; off if not given',
    (isOn) => ({ set: { 'loadBalancer.mode': isOn ? 'auto' : 'off' } }),
  ),
  value(['lb_port', 'lbPort'], 'same', '`loadBalancer.ports`, with `lb_enable`', (text, given) =>
    carryPort(text, (port) => (given.isOn('lb_enable') ? { 'loadBalancer.ports': [port] } : {})),
  ),
  value(
    ['port', 'port'],
    'same',
    "`loadBalancer.backends.port`, which the node's own API server has too; 6443 if not given",
    (text) => carryPort(text, (port) => ({ 'loadBalancer.backends.port': port })),
  ),
  value(
    ['lb_fwdmethod', 'lbForwardingMethod'],
    'better',
    'vipd masquerades or relays, so that every node gets its share; `local`, which leaves all to one node, and the others have one warning',
    (text, given) =>
      text === 'masquerade' || !given.isOn('lb_enable')
        ? {}
        : { note: 'vipd shares connections among all nodes, by masquerading or relaying them' },
  ),
  value(
    ['backend_health_check_interval'],
    'better',
    '`loadBalancer.healthCheck.interval` in seconds, 2 if not given; checks ask /readyz, with rise and fall',
    (text, given) => (given.isOn('lb_enable') ? seconds('loadBalancer.healthCheck.interval', 5)(text) : {}),
  ),
  value(['vip_arpRate'], 'same', '`announce.interval` in milliseconds; less than 500 counts as 3000', (text) => {
    const rate = wholeNumber(text, -86_400_000, 86_400_000);
    if (rate === undefined) return { refused: 'it is not a number of milliseconds; write one, such as 3000' };
    if (rate < 500) return { ignored: 'less than 500 counts as 3000, as in kube-vip' };
    return { set: { 'announce.interval': rate % 1000 === 0 ? `${rate / 1000}s` : `${rate}ms` } };
  }),
  value(
    ['k8s_config_file', 'k8sConfigPath'],
    'same',
    '`kubernetes.kubeconfig`; in a pod without that file its service account',
    to('kubernetes.kubeconfig'),
  ),
  value(['prometheus_server', 'prometheusHTTPServer'], 'same', '`metrics.listen`; an empty flag is `off`', (text) => ({
    set: { 'metrics.listen': text === '' ? 'off' : text.replace(/^localhost:/, '127.0.0.1:') },
  })),
  value(
    ['vip_loglevel', 'log'],
    'same',
    '`log.level`: below 0 `debug`, 0 `info`, 4 `warn`, 8 `error`, those between as the one below',
    (text): Outcome => {
      const level = wholeNumber(text, -999, 999);
      if (level === undefined) return { refused: 'it is not a number; write one, such as 0' };
      return { set: { 'log.level': level < 0 ? 'debug' : level < 4 ? 'info' : level < 8 ? 'warn' : 'error' } };
    },
  ),
  toggle(
    ['vip_loseleadership', 'loseLeadership'],
    'better',
    'vipd always gives the VIP up when its interface has no link',
  ),
  value(
    ['vip_loseleadership_timeout_seconds', 'loseLeadershiptTimeoutSeconds'],
    'other',
    'vipd does not wait: another node can take the VIP at once',
    (_text, given) =>
      given.isOn('vip_loseleadership') ? { ignored: 'vipd gives the VIP up as soon as the link is gone' } : {},
  ),
  toggle(
    ['vip_preserve_on_leadership_loss', 'preserveVipOnLeadershipLoss'],
    'ignored',
    'the address is never on a node that does not lead',
    whenOn({ ignored: 'the address is never on a node that does not lead; see election.onApiLoss' }),
  ),
  toggle(
    ['vip_allow_interface_not_up', 'allowInterfaceNotUp'],
    'better',
    'vipd always starts, and waits for the interface',
  ),
  toggle(
    ['vip_interfaceloglobal', 'loInterfaceGlobalScope'],
    'ignored',
    'vipd announces its address on a LAN, never on `lo`',
    whenOn({ ignored: 'vipd announces its address on a LAN, never on lo' }),
  ),
  toggle(
    ['vip_skipdad'],
    'better',
    'vipd asks by itself who has the address before it takes it, and never waits for the kernel',
  ),
  toggle(
    ['cp_detect', 'autodetectcp'],
    'better',
    "vipd always asks the node's own API server where the kubeconfig names the VIP",
  ),
  value(
    ['kubernetes_addr'],
    'same',
    "`kubernetes.server`; seldom needed, as vipd asks the node's own API server anyway",
    to('kubernetes.server'),
  ),
  value(
    ['dns_mode', 'dnsMode'],
    'better',
    '`dnsMode`; a name is followed every 30 s, and its last addresses stay when the resolver dies',
    to('dnsMode'),
  ),
  value(['vip_leaseannotations'], 'same', '`election.lease.annotations`, an object in JSON', carryAnnotations),
  toggle(
    ['enable_node_labeling', 'enableNodeLabeling'],
    'better',
    '`kubernetes.nodeLabel`: `kube-vip.io/has-ip`, after the VIP is announced; and `vip.vipd/NAME`',
    (isOn) => ({ set: { 'kubernetes.nodeLabel': isOn } }),
  ),
  value(
    ['health_check_port', 'healthCheckPort'],
    'better',
    '`health.listen`: `/healthz` is `/livez`; 0 is `off`',
    (text) => {
      const port = wholeNumber(text, 0, 65535);
      if (port === undefined || (port > 0 && port < 1024))
        return { refused: 'it is not a port; write a number from 1024 to 65535, or 0 for none' };
      return { set: { 'health.listen': port === 0 ? 'off' : `:${port}` } };
    },
  ),
  value(['iptables_backend'], 'better', 'vipd finds by itself what the kernel has'),
  toggle(['egress_withnftables', 'egressWithNftables'], 'better', 'vipd finds by itself what the kernel has'),
];

/** The text as it is. */
function to(path: SettingPath): (text: string) => Outcome {
  return (text) => ({ set: { [path]: text } });
}

function seconds(path: SettingPath, usual: number): (text: string) => Outcome {
  return (text) => {
    const number = wholeNumber(text, 1, 86_400);
    return number === undefined
      ? { refused: `it is not a number of seconds; write one, such as ${usual}` }
      : { set: { [path]: `${number}s` } };
  };
}

function carryAnnotations(text: string): Outcome {
  try {
    return { set: { 'election.lease.annotations': JSON.parse(text) } };
  } catch {
    return { refused: 'it is not JSON; write an object of texts, such as {"example.com/team":"net"}' };
  }
}

function carryPrefix(text: string, given: GivenTexts): Outcome {
  if (text === 'auto') return { ignored: 'auto is for Services; without a prefix the address is a /32 or /128' };
  const prefixes = readPrefixes(text);
  if (prefixes === undefined) {
    return { refused: "it is not a prefix length, or two (IPv4's, IPv6's); write 32, or 32,128" };
  }
  const addresses = (given.text('address') ?? given.text('vip_address') ?? '').split(',');
  const isIpv4 = addresses
    .map((address) => parseIp(address.trim()))
    .every((ip) => ip !== undefined && familyOf(ip) === 4);
  if (isIpv4 && (prefixes[0] ?? 0) > 32)
    return { refused: 'a prefix of an IPv4 address has at most 32 bits; write 32' };
  return prefixes.every((prefix) => [32, 128].includes(prefix))
    ? {}
    : { note: 'vipd always puts the address on as a /32 or /128, and no route comes with it' };
}

function carryPort(text: string, set: (port: number) => NonNullable<Outcome['set']>): Outcome {
  const port = wholeNumber(text, 1, 65535);
  if (port === undefined) return { refused: 'it is not a port; write a number from 1 to 65535, such as 6443' };
  return { set: set(port) };
}
