import { Document, isNode, YAMLSeq } from 'yaml';
import { type Found, type FoundSettings, type Place, placeText, printable } from './found.js';
import type { ImportedVip } from './vips.js';

/** The file of vipd that says what was imported, with the lines that each value comes from. */
export function printImported(vips: readonly ImportedVip[], globals: FoundSettings, files: readonly string[]): string {
  const document = new Document({});
  const put = (path: readonly (string | number)[], value: unknown, places: readonly Place[], flow: boolean): void => {
    const node = document.createNode(value, { flow });
    if (isNode(node)) node.comment = ` ${placesText(places)}`;
    document.setIn(path, node);
  };
  const putGlobals = (areFirst: boolean): void => {
    for (const [path, { value, place }] of globals) {
      if (firstSections.includes(path.split('.')[0] ?? '') === areFirst) put(path.split('.'), value, [place], true);
    }
  };
  putGlobals(true);
  document.set('vips', document.createNode(vips.map(() => ({}))));
  vips.forEach(({ name, settings, lists }, index) => {
    const at = (path: string) => ['vips', index, ...path.split('.')];
    put(at('name'), name.value, [name.place], false);
    const values = [...settings].map(([path, { value, place }]) => ({ path, value, places: [place] }));
    const listed = [...lists].map(([path, items]) => ({
      path,
      value: items.map(({ value }) => value),
      places: items.map(({ place }) => place),
    }));
    const all = [...values, ...listed].sort((a, b) => rank(a.path) - rank(b.path));
    for (const { path, value, places } of all) {
      if (!itemised.includes(path)) put(at(path), value, places, true);
      else putItems(document, at(path), lists.get(path) ?? []);
    }
  });
  putGlobals(false);
  document.commentBefore = ` From ${files.map((file) => printable(file, 200)).join(', ')}, by vipd config import. What is left out has its default.`;
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Those that people write before the VIPs. */
const firstSections = ['node', 'kubernetes'];

/** Lists with a line for each item. */
const itemised = ['loadBalancer.backends.servers', 'election.vrrp.track.scripts', 'election.vrrp.track.interfaces'];

function putItems(document: Document, at: readonly unknown[], items: readonly Found<unknown>[]): void {
  const list = new YAMLSeq();
  for (const { value, place } of items) {
    const node = document.createNode(value, { flow: true });
    node.comment = ` ${placeText(place)}`;
    list.add(node);
  }
  document.setIn(at, list);
}

/** In the order in which people write them; what is not named comes where its section is. */
const order = ['addresses', 'interface', 'election', 'announce', 'deadManSwitch'];
const inSections = [
  ...['type', 'mode', 'ports', 'scheduler', 'backends.from', 'backends.port', 'backends.servers'],
  ...['vrrp.version', 'vrrp.virtualRouterId', 'vrrp.priority', 'vrrp.advertInterval', 'vrrp.preempt'],
  ...[
    'vrrp.preemptDelay',
    'vrrp.authPass',
    'vrrp.unicastSource',
    'vrrp.unicastPeers',
    'vrrp.checksum',
    'vrrp.trackWeight',
  ],
  ...['vrrp.track.interfaces', 'vrrp.track.scripts', 'vrrp.notify.master', 'vrrp.notify.backup', 'vrrp.notify.fault'],
  ...['vrrp.notify.stop', 'vrrp.notify.all'],
  ...['healthCheck.type', 'healthCheck.path', 'healthCheck.aliveStatuses', 'healthCheck.ca', 'healthCheck.serverName'],
  ...['healthCheck.insecure', 'healthCheck.interval', 'healthCheck.fastInterval', 'healthCheck.timeout'],
];

function rank(path: string): number {
  const [section = '', ...rest] = path.split('.');
  const known = (list: readonly string[], word: string) => (list.includes(word) ? list.indexOf(word) : list.length);
  return known(order, section) * 100 + known(inSections, rest.join('.'));
}

/** `haproxy.cfg:12`, `haproxy.cfg:12, 14`. */
function placesText(places: readonly Place[]): string {
  const [first] = places;
  if (first === undefined) return '';
  const others = places.slice(1).map((place) => (place.file === first.file ? String(place.line) : placeText(place)));
  return [...new Set([placeText(first), ...others.filter((text) => text !== String(first.line))])].join(', ');
}
