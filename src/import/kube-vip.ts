import { parseCidr } from '../net/cidr.js';
import { familyOf, hostPrefix, parseIp } from '../net/ip.js';
import type { Found, FoundSettings, Place, Remarks, SourceText } from './found.js';
import { type Container, readManifests } from './kube-vip-manifest.js';
import { kubeVipFlags, kubeVipReasons } from './kube-vip-reasons.js';
import type { FoundLists, ImportedVip } from './vips.js';
import { durationText, wholeNumber } from './words.js';

/** What a manifest of kube-vip says: a VIP, and settings of the whole daemon by their paths. */
export interface KubeVip {
  readonly vip: ImportedVip;
  readonly globals: FoundSettings;
}

/** What is set, by kube-vip's environment names. */
type Values = ReadonlyMap<string, Found<string>>;

/**
 * Reads the control-plane VIP out of manifests of kube-vip. What is empty or false asks for nothing, and has no remark.
 * @throws Unreadable where it is not YAML
 */
export function readKubeVip(source: SourceText, remarks: Remarks): readonly KubeVip[] {
  const [container, ...others] = readManifests(source);
  if (container === undefined) {
    remarks.note({ file: source.file, line: 1 }, [source.file], 'no container of kube-vip is in it');
    return [];
  }
  for (const other of others)
    remarks.notCarried(
      other.place,
      ['kube-vip'],
      `line ${container.place.line} has another; one file is for one of them`,
    );
  const values = valuesOf(container, remarks);
  if (values.get('cp_enable')?.value !== 'true') {
    remarks.notCarried(container.place, ['kube-vip'], 'cp_enable is not true, so it has no VIP of a control plane');
    return [];
  }
  const vip = { name: { value: 'api', place: container.place }, settings: new Map(), lists: new Map() };
  const found = { vip, globals: new Map() };
  readAddresses(values, container.place, vip.lists, remarks);
  readElection(values, container.place, vip.settings, remarks);
  readBalancing(values, container.place, vip.settings, vip.lists, remarks);
  readRest(values, vip.settings, found.globals, remarks);
  for (const [name, { value, place }] of values) {
    if (!known.has(name))
      remarks.notCarried(place, [name, value], kubeVipReasons.get(name) ?? 'vipd has nothing like it');
  }
  return [found];
}

/** Names that are read here. */
const known = new Set([
  ...[
    'cp_enable',
    'vip_arp',
    'vip_leaderelection',
    'address',
    'vip_address',
    'vip_subnet',
    'vip_cidr',
    'vip_interface',
  ],
  ...['vip_leasename', 'cp_namespace', 'vip_leaseduration', 'vip_renewdeadline', 'vip_retryperiod', 'vip_arpRate'],
  ...[
    'port',
    'lb_enable',
    'lb_port',
    'lb_fwdmethod',
    'vip_nodename',
    'k8s_config_file',
    'prometheus_server',
    'vip_loglevel',
  ],
]);

/** Flags and environment; of both the environment wins, as in kube-vip. */
function valuesOf({ args, environment }: Container, remarks: Remarks): Values {
  const values = new Map<string, Found<string>>();
  for (let i = 0; i < args.length; i++) {
    const { value: text = '', place } = args[i] ?? {};
    const [, flag = '', , joined] = /^--?([A-Za-z0-9]+)(=(.*))?$/s.exec(text) ?? [];
    if (flag === '' || place === undefined) continue;
    const next = args[i + 1]?.value;
    const takesNext = joined === undefined && next !== undefined && !next.startsWith('-');
    const name = kubeVipFlags.get(flag);
    const value = joined ?? (takesNext ? next : 'true');
    if (name === undefined) remarks.notCarried(place, [text], 'vipd has nothing like it');
    else values.set(name, { value, place });
    if (takesNext) i++;
  }
  for (const { name, value } of environment) {
    if (value === undefined) {
      const because = 'the cluster fills it in; vipd calls a node by its host name: write node.name where that differs';
      remarks.notCarried(name.place, [name.value], name.value === 'vip_nodename' ? because : 'the cluster fills it in');
    } else if (value !== '') values.set(name.value, { value, place: name.place });
  }
  return new Map([...values].filter(([name, { value }]) => value !== 'false' || name === 'cp_enable'));
}

/** `address` may be a list; the prefixes of `vip_subnet` (once `vip_cidr`) are IPv4's, then IPv6's. */
function readAddresses(values: Values, container: Place, lists: FoundLists, remarks: Remarks): void {
  const given = values.get('address') ?? values.get('vip_address');
  if (given === undefined) {
    remarks.note(container, ['kube-vip'], 'it has no address; write addresses');
    return;
  }
  const subnet = values.get('vip_subnet') ?? values.get('vip_cidr');
  const prefixes = (subnet?.value ?? '').split(',').map((part) => wholeNumber(part.trim().replace(/^\//, ''), 0, 128));
  if (subnet !== undefined && prefixes.includes(undefined))
    remarks.notCarried(subnet.place, ['vip_subnet', subnet.value], 'it is not a prefix length, or two');
  const addresses = given.value.split(',').map((part) => {
    const ip = parseIp(part.trim());
    if (ip === undefined) return part.trim();
    const prefix = prefixes.length === 2 ? prefixes[familyOf(ip) === 4 ? 0 : 1] : prefixes[0];
    const cidr = parseCidr(`${ip}/${prefix}`);
    return cidr === undefined || cidr.prefixLength === hostPrefix(ip) ? ip : `${ip}/${prefix}`;
  });
  lists.set(
    'addresses',
    addresses.map((value) => ({ value, place: given.place })),
  );
}

function readElection(values: Values, container: Place, settings: FoundSettings, remarks: Remarks): void {
  const namespace = values.get('cp_namespace');
  const lease = values.get('vip_leasename');
  if (namespace !== undefined) settings.set('election.lease.namespace', namespace);
  if (lease !== undefined) {
    const [, prefix, name = lease.value] = /^([^/]+)\/(.*)$/s.exec(lease.value) ?? [];
    settings.set('election.lease.name', { value: name, place: lease.place });
    if (prefix !== undefined) settings.set('election.lease.namespace', { value: prefix, place: lease.place });
  }
  const seconds = new Map<string, number>();
  for (const [name, path] of [
    ['vip_leaseduration', 'duration'],
    ['vip_renewdeadline', 'renewDeadline'],
    ['vip_retryperiod', 'retryPeriod'],
  ] as const) {
    const found = values.get(name);
    const number = wholeNumber(found?.value, 1, 86_400);
    if (found === undefined) continue;
    if (number === undefined) remarks.notCarried(found.place, [name, found.value], 'it is not a number of seconds');
    else {
      seconds.set(path, number);
      settings.set(`election.lease.${path}`, { value: `${number}s`, place: found.place });
    }
  }
  if (seconds.size === 0)
    remarks.note(
      container,
      ['kube-vip'],
      'it has no lease times: vipd takes 5s, 3s, 1s, as kube-vip did before it took 15s, 10s, 2s',
    );
  // A dead leader's address must be gone before another node may take the Lease.
  const longest = (seconds.get('duration') ?? 5) - (seconds.get('retryPeriod') ?? 1);
  const duration = values.get('vip_leaseduration') ?? values.get('vip_retryperiod');
  if (longest < 3 && duration !== undefined)
    settings.set('deadManSwitch', { value: `${Math.max(1, longest)}s`, place: duration.place });
}

function readBalancing(
  values: Values,
  container: Place,
  settings: FoundSettings,
  lists: FoundLists,
  remarks: Remarks,
): void {
  const port = values.get('port');
  const front = values.get('lb_port');
  if (values.get('lb_enable') === undefined) {
    settings.set('loadBalancer.mode', { value: 'off', place: container });
    return;
  }
  const number = (found: Found<string> | undefined) =>
    found === undefined ? 6443 : wholeNumber(found.value, 1, 65535);
  for (const [name, found] of [
    ['port', port],
    ['lb_port', front],
  ] as const) {
    if (found !== undefined && number(found) === undefined)
      remarks.notCarried(found.place, [name, found.value], 'it is not a port');
  }
  const served = number(front);
  if (front !== undefined && served !== undefined)
    lists.set('loadBalancer.ports', [{ value: served, place: front.place }]);
  const behind = number(port);
  if (port !== undefined && behind !== undefined && behind !== served)
    settings.set('loadBalancer.backends.port', { value: behind, place: port.place });
  const method = values.get('lb_fwdmethod');
  if (method !== undefined && method.value !== 'masquerade')
    remarks.notCarried(
      method.place,
      ['lb_fwdmethod', method.value],
      'vipd masquerades, so that backends on other hosts are reached too',
    );
}

function readRest(values: Values, settings: FoundSettings, globals: FoundSettings, remarks: Remarks): void {
  const device = values.get('vip_interface');
  if (device !== undefined) settings.set('interface', device);
  const rate = values.get('vip_arpRate');
  const millis = wholeNumber(rate?.value, 500, 86_400_000);
  // kube-vip takes 3000 for whatever is less.
  if (rate !== undefined && millis !== undefined)
    settings.set('announce.interval', { value: durationText(millis), place: rate.place });
  else if (rate !== undefined)
    remarks.notCarried(rate.place, ['vip_arpRate', rate.value], 'kube-vip itself takes 3000 instead');
  for (const [name, path] of [
    ['vip_nodename', 'node.name'],
    ['k8s_config_file', 'kubernetes.kubeconfig'],
    ['prometheus_server', 'metrics.listen'],
  ] as const) {
    const found = values.get(name);
    if (found !== undefined) globals.set(path, found);
  }
  const level = values.get('vip_loglevel');
  if (level === undefined) return;
  const number = /^-?\d{1,3}$/.test(level.value) ? Number(level.value) : undefined;
  if (number === undefined) remarks.notCarried(level.place, ['vip_loglevel', level.value], 'it is not a number');
  else {
    const value = number < 0 ? 'debug' : number < 4 ? 'info' : number < 8 ? 'warn' : 'error';
    globals.set('log.level', { value, place: level.place });
  }
}
