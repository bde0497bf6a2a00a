import { type Cidr, parseCidr } from '../net/cidr.js';
import { familyOf, type Ip, parseIp } from '../net/ip.js';
import type { Found, FoundSettings, Place, Remarks, SourceText } from './found.js';
import type { Instance } from './instance.js';
import { expandDefinitions } from './keepalived-definitions.js';
import { joinGroup } from './keepalived-groups.js';
import { instanceReasons, keepalivedReasons, leaveOut } from './keepalived-reasons.js';
import { readVirtualServer } from './keepalived-servers.js';
import {
  noteUntracked,
  readNotify,
  readScripts,
  readTracked,
  type Scripts,
  type Tracked,
} from './keepalived-tracking.js';
import type { Service } from './service.js';
import { keepalivedGrammar, parseStatements, type Statement } from './statements.js';
import { durationText, wholeNumber } from './words.js';

/** What `global_defs` says about every instance. */
interface Globals {
  version: Found<2 | 3> | undefined;
  readonly settings: FoundSettings;
  /** Whether `script_user` says who runs the scripts. */
  hasScriptUser: boolean;
}

/**
 * Reads keepalived.conf (keepalived.conf(5)) as keepalived 2.2 does: comments begin anywhere outside quotes.
 * @throws Unreadable where braces or quotes do not match
 */
export function readKeepalived(
  { file, text }: SourceText,
  remarks: Remarks,
): { readonly instances: readonly Instance[]; readonly services: readonly Service[] } {
  const statements = expandDefinitions(parseStatements(file, text, keepalivedGrammar), remarks);
  const globals: Globals = { version: undefined, settings: new Map(), hasScriptUser: false };
  const named = (keyword: string) => statements.filter(({ words }) => words[0] === keyword);
  for (const { block } of named('global_defs')) for (const inner of block ?? []) readGlobal(inner, globals, remarks);
  const scripts = readScripts(named('vrrp_script'), globals.hasScriptUser, remarks);
  const instances: Instance[] = [];
  for (const statement of named('vrrp_instance')) {
    const instance = readInstance(statement, globals, scripts, remarks);
    const namesake = instances.find(({ name }) => name.value === instance.name.value);
    if (namesake === undefined) instances.push(instance);
    else remarks.notCarried(statement.place, statement.words, `line ${namesake.name.place.line} has the same name`);
  }
  noteUntracked(
    scripts,
    instances.map(({ tracked }) => tracked),
    remarks,
  );
  const groups = named('vrrp_sync_group');
  for (const statement of statements) {
    const [keyword = ''] = statement.words;
    if (['global_defs', 'vrrp_script', 'vrrp_instance', 'vrrp_sync_group', 'virtual_server'].includes(keyword))
      continue;
    leaveOut(statement, keepalivedReasons, remarks);
  }
  return {
    instances: groups.reduce<readonly Instance[]>((all, group) => joinGroup(group, all, remarks), instances),
    services: named('virtual_server').flatMap((statement) => readVirtualServer(statement, remarks) ?? []),
  };
}

function readGlobal(statement: Statement, globals: Globals, remarks: Remarks): void {
  const { place, words } = statement;
  const [keyword, value] = words;
  switch (keyword) {
    case 'vrrp_version':
      globals.version = readVersion(value, place) ?? globals.version;
      if (readVersion(value, place) === undefined) remarks.notCarried(place, words, 'the version is neither 2 nor 3');
      break;
    case 'vrrp_garp_master_repeat':
    case 'vrrp_garp_master_refresh':
      readAnnouncement(keyword.slice('vrrp_'.length), value, statement, globals.settings, remarks);
      break;
    default:
      globals.hasScriptUser ||= keyword === 'script_user';
      leaveOut(statement, keepalivedReasons, remarks);
  }
}

/** What is read of an instance before its version, which decides about more of it, is known. */
interface Draft {
  readonly addresses: Found<Cidr>[];
  readonly settings: FoundSettings;
  readonly tracked: Tracked;
  readonly hasScriptUser: boolean;
  version: Found<2 | 3> | undefined;
  state: Statement | undefined;
  advert: Statement | undefined;
  nopreempt: Statement | undefined;
  delay: Statement | undefined;
  password: Found<string> | undefined;
}

function readInstance(
  { place, words, block }: Statement,
  globals: Globals,
  scripts: Scripts,
  remarks: Remarks,
): Instance {
  const draft: Draft = {
    addresses: [],
    settings: new Map(globals.settings),
    tracked: { scripts: [], interfaces: [] },
    hasScriptUser: globals.hasScriptUser,
    version: undefined,
    state: undefined,
    advert: undefined,
    nopreempt: undefined,
    delay: undefined,
    password: undefined,
  };
  draft.settings.set('election.type', { value: 'vrrp', place });
  for (const statement of block ?? []) readSetting(statement, draft, scripts, remarks);
  // The instance's own interface comes first, wherever it stands.
  for (const { words, block: inner } of block ?? []) {
    if (words[0] === 'virtual_ipaddress') for (const address of inner ?? []) readAddress(address, draft, remarks);
  }
  settle(draft, globals, place, remarks);
  const name = words[1] ?? '';
  if (!draft.settings.has('election.vrrp.virtualRouterId'))
    remarks.note(place, words, 'it has no virtual_router_id; write election.vrrp.virtualRouterId');
  if (draft.addresses.length === 0)
    remarks.note(place, words, 'it has no address that can be carried over; write addresses');
  const { addresses, settings, tracked } = draft;
  return { name: { value: name, place }, addresses, settings, tracked };
}

function readSetting(statement: Statement, draft: Draft, scripts: Scripts, remarks: Remarks): void {
  const { place, words } = statement;
  const [keyword = '', value] = words;
  const put = (path: string, found: unknown, otherwise: string): void => {
    if (found === undefined) remarks.notCarried(place, words, otherwise);
    else draft.settings.set(path, { value: found, place });
  };
  switch (keyword) {
    case 'state':
      draft.state = statement;
      break;
    case 'interface':
      put('interface', value, 'no interface is named');
      break;
    case 'virtual_router_id':
      put('election.vrrp.virtualRouterId', wholeNumber(value, 1, 255), 'it is not a whole number from 1 to 255');
      break;
    case 'priority':
      put('election.vrrp.priority', wholeNumber(value, 1, 255), 'it is not a whole number from 1 to 255');
      break;
    case 'version':
      draft.version = readVersion(value, place);
      if (draft.version === undefined) remarks.notCarried(place, words, 'the version is neither 2 nor 3');
      break;
    case 'advert_int':
      draft.advert = statement;
      break;
    case 'nopreempt':
      draft.nopreempt = statement;
      break;
    case 'preempt':
      draft.nopreempt = undefined;
      break;
    case 'preempt_delay':
      draft.delay = statement;
      break;
    case 'authentication':
      readAuthentication(statement, draft, remarks);
      break;
    case 'virtual_ipaddress':
      break;
    case 'track_script':
    case 'track_interface':
      readTracked(statement, scripts, draft.tracked, remarks);
      break;
    case 'notify':
    case 'notify_master':
    case 'notify_backup':
    case 'notify_fault':
    case 'notify_stop': {
      const command = readNotify(statement, draft.hasScriptUser, remarks);
      const path = keyword === 'notify' ? 'all' : keyword.slice('notify_'.length);
      if (command !== undefined) draft.settings.set(`election.vrrp.notify.${path}`, { value: command, place });
      break;
    }
    case 'unicast_src_ip':
      put('election.vrrp.unicastSource', parseIp(value ?? ''), 'it is not an address');
      break;
    case 'unicast_peer':
      readPeers(statement, draft, remarks);
      break;
    case 'v3_checksum_as_v2':
      if (!['off', 'no', 'false'].includes(value ?? 'on')) put('election.vrrp.checksum', 'rfc9568', '');
      break;
    case 'garp_master_repeat':
    case 'garp_master_refresh':
      readAnnouncement(keyword, value, statement, draft.settings, remarks);
      break;
    default:
      leaveOut(statement, instanceReasons, remarks);
  }
}

function readVersion(text: string | undefined, place: Place): Found<2 | 3> | undefined {
  return text === '2' || text === '3' ? { value: text === '2' ? 2 : 3, place } : undefined;
}

/** Repeated announcements: as many at once on taking the address, then one every so many seconds; 0 is never. */
function readAnnouncement(
  keyword: string,
  value: string | undefined,
  { place, words }: Statement,
  settings: FoundSettings,
  remarks: Remarks,
): void {
  const number = wholeNumber(value, keyword === 'garp_master_repeat' ? 1 : 0, 86_400);
  if (number === undefined) remarks.notCarried(place, words, 'it is not a whole number');
  else if (keyword === 'garp_master_repeat') settings.set('announce.burst', { value: number, place });
  else if (number > 0) settings.set('announce.interval', { value: durationText(number * 1000), place });
  else remarks.notCarried(place, words, 'vipd always repeats its announcements, every announce.interval');
}

function readAuthentication({ place, words, block }: Statement, draft: Draft, remarks: Remarks): void {
  const line = (keyword: string) => block?.find((inner) => inner.words[0] === keyword);
  const type = line('auth_type')?.words[1]?.toUpperCase();
  const password = line('auth_pass');
  for (const inner of block ?? []) {
    if (!['auth_type', 'auth_pass'].includes(inner.words[0] ?? '')) leaveOut(inner, instanceReasons, remarks);
  }
  if (type === 'AH')
    remarks.notCarried(
      line('auth_type')?.place ?? place,
      ['auth_type', 'AH'],
      'vipd does not speak AH, and peers that do refuse advertisements without it; give both hosts auth_type PASS, or none, first',
    );
  else if (type !== undefined && type !== 'PASS')
    remarks.notCarried(line('auth_type')?.place ?? place, ['auth_type', type], 'it is neither PASS nor AH');
  else if (password?.words[1] === undefined) remarks.notCarried(place, words, 'it has no auth_pass');
  else draft.password = { value: password.words[1], place: password.place };
}

/** `192.168.1.100/24 brd 192.168.1.255 dev eth0 scope global label eth0:1`, or `dev eth0 192.168.1.100`. */
function readAddress({ place, words }: Statement, draft: Draft, remarks: Remarks): void {
  let address: Cidr | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[i + 1] ?? '';
    const cidr = parseCidr(word);
    if (cidr !== undefined && address === undefined) address = cidr;
    else if (word === 'dev') {
      draft.settings.set('interface', draft.settings.get('interface') ?? { value, place });
      if (draft.settings.get('interface')?.value !== value)
        remarks.notCarried(place, [word, value], 'vipd has the addresses of a VIP on its one interface');
      i++;
    } else if (['brd', 'broadcast', 'label', 'scope', 'peer', 'preferred_lft', 'track_group'].includes(word)) {
      remarks.notCarried(place, [word, value], 'vipd gives addresses without it');
      i++;
    } else {
      const because = address === undefined ? 'it is not an address' : 'vipd gives addresses without it';
      remarks.notCarried(place, address === undefined ? words : [word], because);
      if (address === undefined) return;
    }
  }
  const first = draft.addresses[0]?.value;
  if (address === undefined) remarks.notCarried(place, words, 'it is not an address');
  else if (first !== undefined && familyOf(first.ip) !== familyOf(address.ip))
    remarks.notCarried(place, words, 'keepalived itself ignores addresses of another family than the first');
  else draft.addresses.push({ value: address, place });
}

function readPeers({ place, block }: Statement, draft: Draft, remarks: Remarks): void {
  const peers: Ip[] = [];
  for (const { place: at, words } of block ?? []) {
    const ip = parseIp(words[0] ?? '');
    if (ip === undefined) remarks.notCarried(at, words, 'it is not an address');
    else peers.push(ip);
    if (ip !== undefined && words.length > 1)
      remarks.notCarried(at, words.slice(1), 'vipd takes advertisements of a unicast peer whatever their TTL');
  }
  if (peers.length > 0) draft.settings.set('election.vrrp.unicastPeers', { value: peers, place });
}

/** What depends on version, state and priority: vrrp_complete_instance() of keepalived. */
function settle(draft: Draft, globals: Globals, place: Place, remarks: Remarks): void {
  const { settings, state, password } = draft;
  const first = draft.addresses[0]?.value;
  const isIpv6 = first !== undefined && familyOf(first.ip) === 6;
  const version: Found<2 | 3> =
    draft.version ?? (isIpv6 ? { value: 3, place } : (globals.version ?? { value: 2, place }));
  settings.set('election.vrrp.version', version);

  const isMaster = state?.words[1] === 'MASTER';
  if (state !== undefined) {
    remarks.notCarried(state.place, state.words, 'a node starts as a backup, and the priority alone decides who leads');
    if (isMaster && !settings.has('election.vrrp.priority'))
      settings.set('election.vrrp.priority', { value: 255, place: state.place });
  }
  if (draft.nopreempt !== undefined) {
    const { place: at, words } = draft.nopreempt;
    const isIgnored = isMaster || settings.get('election.vrrp.priority')?.value === 255;
    if (isIgnored) remarks.notCarried(at, words, 'keepalived itself ignores it with state MASTER or priority 255');
    else settings.set('election.vrrp.preempt', { value: false, place: at });
  }
  if (draft.delay !== undefined) {
    const { place: at, words } = draft.delay;
    const seconds = decimal(words[1]);
    if (isMaster || draft.nopreempt !== undefined)
      remarks.notCarried(at, words, 'keepalived itself ignores it with state MASTER or nopreempt');
    else if (seconds === undefined || seconds > 1000) remarks.notCarried(at, words, 'it is not 0 to 1000 seconds');
    else settings.set('election.vrrp.preemptDelay', { value: durationText(Math.round(seconds * 1000)), place: at });
  }
  if (draft.advert !== undefined) settleAdvert(draft.advert, version.value, settings, remarks);
  if (password === undefined) return;
  if (version.value === 3) remarks.notCarried(password.place, ['auth_pass'], 'VRRPv3 has no authentication');
  else {
    settings.set('election.vrrp.authPass', { value: firstBytes(password.value, 8), place: password.place });
    if (firstBytes(password.value, 8) !== password.value)
      remarks.note(password.place, ['auth_pass'], 'only its first 8 bytes count, as with keepalived');
  }
}

/** VRRPv2 has whole seconds, VRRPv3 hundredths; keepalived rounds, so vipd must speak what it rounds to. */
function settleAdvert({ place, words }: Statement, version: 2 | 3, settings: FoundSettings, remarks: Remarks): void {
  const seconds = decimal(words[1]);
  const [unit, most] = version === 2 ? [1000, 255_000] : [10, 40_950];
  const millis = Math.max(unit, Math.round(((seconds ?? 0) * 1000) / unit) * unit);
  if (seconds === undefined || seconds === 0 || millis > most) {
    remarks.notCarried(place, words, `it is not a number of seconds up to ${most / 1000}`);
    return;
  }
  if (Math.abs(millis - seconds * 1000) > 1e-6)
    remarks.note(
      place,
      words,
      `VRRPv${version} cannot say it: keepalived rounds it to ${durationText(millis)}, so does this`,
    );
  settings.set('election.vrrp.advertInterval', { value: durationText(millis), place });
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) : undefined;
}

/** As many characters as fit into so many bytes of UTF-8. */
function firstBytes(text: string, most: number): string {
  let bytes = 0;
  let kept = '';
  for (const char of text) {
    bytes += new TextEncoder().encode(char).length;
    if (bytes > most) break;
    kept += char;
  }
  return kept;
}
