import { type Cidr, formatCidr } from '../net/cidr.js';
import { endpoint, hostPrefix, type Ip, isLoopback } from '../net/ip.js';
import type { Found, FoundSettings, Remarks } from './found.js';
import type { Instance } from './instance.js';
import { type FoundScript, isReplaced, noteCommand } from './keepalived-tracking.js';
import type { Listen, Service } from './service.js';
import { fitWeights } from './weights.js';
import { freeName } from './words.js';

/** A VIP of the file to be written. */
export interface ImportedVip {
  readonly name: Found<string>;
  /** By vipd's paths. */
  readonly settings: FoundSettings;
  /** The same for settings that are lists, whose items come from places of their own. */
  readonly lists: FoundLists;
}

export type FoundLists = Map<string, readonly Found<unknown>[]>;

/** What a VIP is made of. */
interface Draft {
  readonly name: Found<string>;
  readonly ips: Ip[];
  readonly settings: FoundSettings;
  readonly lists: FoundLists;
  readonly scripts: readonly FoundScript[];
  service: Service | undefined;
  readonly ports: Found<number>[];
  /** `address port`, `* port`: what the files listen on. */
  readonly listened: Set<string>;
}

/**
 * Puts together who has an address (instances) and what is served there (services). What listens on every address is served on
 * every VIP; what listens on one, on the VIP that has it. Without instances each such address is a VIP of its own.
 */
export function joinVips(
  instances: readonly Instance[],
  services: readonly Service[],
  remarks: Remarks,
): readonly ImportedVip[] {
  const drafts: Draft[] = instances.map(({ name, addresses, settings, tracked }) => ({
    ...emptyDraft(),
    name,
    ips: addresses.map(({ value }) => value.ip),
    settings: new Map(settings),
    lists: new Map<string, readonly Found<unknown>[]>([
      ['addresses', addresses.map(({ value, place }) => ({ value: addressText(value), place }))],
      ['election.vrrp.track.interfaces', tracked.interfaces],
    ]),
    scripts: tracked.scripts,
  }));
  for (const service of services) {
    for (const listen of service.listens) {
      for (const draft of draftsFor(listen, service, drafts, instances.length > 0, remarks))
        serve(draft, service, listen, remarks);
    }
  }
  return drafts.map((draft) => {
    const { name, service, settings, lists } = draft;
    const needed = draft.scripts.filter((script) => isStillNeeded(script, service, remarks));
    lists.set('election.vrrp.track.scripts', needed);
    const weight = weightOf(draft.scripts.filter((script) => !needed.includes(script)));
    if (weight !== undefined) settings.set('election.vrrp.trackWeight', weight);
    if (service === undefined) settings.set('loadBalancer.mode', { ...name, value: 'off' });
    else putService(draft, service, remarks);
    return { name, settings, lists };
  });
}

/** What watches a balancer, or the servers behind it, is not needed when vipd balances: that would fail for ever, or say it twice. */
function isStillNeeded({ value, place, notes }: FoundScript, service: Service | undefined, remarks: Remarks): boolean {
  if (service === undefined || !isReplaced(value)) {
    noteCommand(notes, remarks);
    return true;
  }
  const because =
    'vipd balances itself, checks the backends (loadBalancer.healthCheck), and lowers its priority when none is up (election.vrrp.trackWeight); if it looks at something else, write it into election.vrrp.track.scripts';
  remarks.notCarried(place, ['vrrp_script', value.name], because);
  return false;
}

/** The default of election.vrrp.trackWeight. */
const ownWeight = 60;

/** What a script took from the priority, where that is more than vipd takes by itself: peers' priorities may be so far apart. */
function weightOf(replaced: readonly FoundScript[]): Found<number> | undefined {
  const sizes = replaced.map(({ value, place }) => ({ value: Math.abs(value.weight ?? 0), place }));
  const [largest] = sizes.sort((a, b) => b.value - a.value);
  return largest !== undefined && largest.value > ownWeight ? largest : undefined;
}

/** Names that can be those of VIPs, each once. */
export function nameVips(vips: readonly ImportedVip[]): readonly ImportedVip[] {
  const names = new Set<string>();
  return vips.map((vip) => ({ ...vip, name: { ...vip.name, value: freeName(vip.name.value, 'vip', names) } }));
}

/** As the file of vipd writes it: without the prefix where that is the host's own. */
function addressText(cidr: Cidr): string {
  return cidr.prefixLength === hostPrefix(cidr.ip) ? cidr.ip : formatCidr(cidr);
}

/** The VIPs that something listens for; none, with a remark, where it is none that vipd could have. */
function draftsFor(
  { value, place }: Found<Listen>,
  service: Service,
  drafts: Draft[],
  hasInstances: boolean,
  remarks: Remarks,
): readonly Draft[] {
  const { ip, words } = value;
  if (ip !== undefined && isLoopback(ip)) {
    remarks.notCarried(place, words, 'a virtual IP is for other hosts; this is for the host itself');
    return [];
  }
  const holders = ip === undefined ? drafts : drafts.filter(({ ips }) => ips.includes(ip));
  if (hasInstances) {
    if (holders.length === 0)
      remarks.notCarried(place, words, `${ip} is no virtual_ipaddress of keepalived; vipd listens on VIPs alone`);
    return holders;
  }
  const [holder] = ip === undefined ? [] : holders;
  const draft = holder ?? drafts.find(({ name }) => name === service.name) ?? lone(service, drafts, remarks);
  if (ip === undefined) remarks.note(place, words, 'no file names the virtual IP; write addresses');
  else if (holder === undefined) {
    draft.ips.push(ip);
    draft.lists.set('addresses', [...(draft.lists.get('addresses') ?? []), { value: ip, place }]);
  }
  return [draft];
}

/** A VIP that no instance is behind. */
function lone(service: Service, drafts: Draft[], remarks: Remarks): Draft {
  remarks.note(
    service.name.place,
    [service.name.value],
    'no file says how the hosts agree who has its address: election.type stays lease, which needs Kubernetes; give --keepalived too, or write election',
  );
  const draft: Draft = { ...emptyDraft(), name: service.name };
  drafts.push(draft);
  return draft;
}

function emptyDraft(): Omit<Draft, 'name'> {
  return {
    ips: [],
    settings: new Map(),
    lists: new Map(),
    scripts: [],
    service: undefined,
    ports: [],
    listened: new Set(),
  };
}

/** One more port of a VIP; refused if it leads to other backends than the first. */
function serve(draft: Draft, service: Service, { value, place }: Found<Listen>, remarks: Remarks): void {
  draft.service ??= service;
  if (draft.service !== service && !isSame(draft.service, service)) {
    const because = `a VIP has one list of backends for all its ports, and that of ${draft.service.name.value} (line ${draft.service.name.place.line}) is taken for ${draft.name.value}`;
    remarks.notCarried(place, value.words, because);
    return;
  }
  draft.listened.add(`${value.ip ?? '*'} ${value.port}`);
  if (!draft.ports.some((port) => port.value === value.port)) draft.ports.push({ value: value.port, place });
}

function isSame(a: Service, b: Service): boolean {
  const text = ({ servers, settings }: Service) =>
    JSON.stringify([servers.map(({ value }) => value), [...settings].map(([path, { value }]) => [path, value]).sort()]);
  return text(a) === text(b);
}

function putService({ name, ips, ports, listened, settings, lists }: Draft, service: Service, remarks: Remarks): void {
  const unheard = ports.flatMap(({ value: port }) =>
    listened.has(`* ${port}`) ? [] : ips.filter((ip) => !listened.has(`${ip} ${port}`)).map((ip) => endpoint(ip, port)),
  );
  if (unheard.length > 0)
    remarks.note(
      name.place,
      [name.value],
      `vipd has every port of a VIP on every address of it: also ${unheard.join(', ')}`,
    );
  lists.set('loadBalancer.ports', ports);
  for (const [path, found] of service.settings) settings.set(path, found);
  settings.set('loadBalancer.backends.from', { value: 'static', place: service.name.place });
  const servers: Found<{ name: string; address: string; weight?: number }>[] = [];
  for (const { value, place } of fitWeights(service.servers, remarks)) {
    const port = value.port ?? ports[0]?.value;
    if (port === undefined) continue;
    const weighty = value.weight === 1 ? {} : { weight: value.weight };
    const server = { name: value.name, address: endpoint(value.ip, port), ...weighty };
    const twin = servers.find((other) => other.value.name === server.name || other.value.address === server.address);
    if (twin !== undefined) {
      const what = twin.value.name === server.name ? 'name' : 'address';
      remarks.notCarried(place, ['server', server.name], `the server of line ${twin.place.line} has the same ${what}`);
      continue;
    }
    servers.push({ value: server, place });
    if (value.port === undefined && ports.length > 1) {
      const sentence = `it takes each connection on the port it came to; vipd sends all to port ${port}`;
      remarks.note(place, ['server', server.name], sentence);
    }
  }
  if (servers.length > 0) lists.set('loadBalancer.backends.servers', servers);
  else {
    const sentence = 'none of its servers can be carried over; write loadBalancer.backends.servers';
    remarks.note(service.name.place, [service.name.value], sentence);
  }
}
