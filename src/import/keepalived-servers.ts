import { parseIp } from '../net/ip.js';
import type { Found, FoundSettings, Remarks } from './found.js';
import { leaveOut, serverReasons, virtualServerReasons } from './keepalived-reasons.js';
import type { Server, Service } from './service.js';
import type { Statement } from './statements.js';
import { noWeight } from './weights.js';
import { nearestDnsName, wholeNumber } from './words.js';

/** What serves a VIP in LVS; undefined, with a remark, when vipd cannot balance it. */
export function readVirtualServer(statement: Statement, remarks: Remarks): Service | undefined {
  const { place, words, block = [] } = statement;
  const listen = endpointOf(words);
  const text = (keyword: string) => block.findLast((inner) => inner.words[0] === keyword)?.words[1];
  const protocol = text('protocol') ?? 'TCP';
  if (listen === undefined || protocol !== 'TCP') {
    const because =
      listen === undefined ? 'vipd balances ports of the VIPs, no groups and no marks' : 'vipd balances TCP';
    remarks.notCarried(place, words, because);
    return undefined;
  }
  const settings: FoundSettings = new Map();
  const algorithm = text('lvs_sched') ?? text('lb_algo') ?? 'wlc';
  // Without a w they do not look at weights, but for 0.
  const isWeighted = !['rr', 'lc'].includes(algorithm);
  const servers: Found<Server>[] = [];
  for (const inner of block) {
    if (inner.words[0] !== 'real_server') readSetting(inner, settings, remarks);
    else readServer(inner, isWeighted, servers, settings, remarks);
  }
  if (!settings.has('loadBalancer.scheduler') && algorithm === 'wlc')
    settings.set('loadBalancer.scheduler', { value: 'leastconn', place });
  const name = { value: `port-${listen.port}`, place };
  return { name, listens: [{ value: { ...listen, words }, place }], servers, settings };
}

/** `virtual_server 192.168.1.100 443`; undefined for a group or a mark. */
function endpointOf([, address = '', digits]: readonly string[]) {
  const ip = parseIp(address);
  const port = wholeNumber(digits, 1, 65535);
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

function readSetting(statement: Statement, settings: FoundSettings, remarks: Remarks): void {
  const { place, words } = statement;
  const [keyword, value = ''] = words;
  switch (keyword) {
    case 'protocol':
      break;
    case 'lb_algo':
    case 'lvs_sched':
      if (/^w?(rr|lc)$/.test(value))
        settings.set('loadBalancer.scheduler', { value: value.endsWith('rr') ? 'roundrobin' : 'leastconn', place });
      else remarks.notCarried(place, words, 'vipd has roundrobin and leastconn; this takes roundrobin');
      break;
    case 'lb_kind':
    case 'lvs_method':
      if (value !== 'NAT') leaveOut(statement, virtualServerReasons, remarks);
      break;
    case 'delay_loop': {
      const seconds = wholeNumber(value, 1, 86_400);
      if (seconds === undefined) remarks.notCarried(place, words, 'it is not a whole number of seconds');
      else settings.set('loadBalancer.healthCheck.interval', { value: `${seconds}s`, place });
      break;
    }
    default:
      leaveOut(statement, virtualServerReasons, remarks);
  }
}

function readServer(
  { place, words, block = [] }: Statement,
  isWeighted: boolean,
  servers: Found<Server>[],
  settings: FoundSettings,
  remarks: Remarks,
): void {
  const at = endpointOf(words);
  if (at === undefined) return remarks.notCarried(place, words, 'it is not an address and a port');
  let weight = 1;
  for (const inner of block) {
    const [keyword, value] = inner.words;
    if (keyword === 'TCP_CHECK') readCheck(inner, settings, remarks);
    else if (keyword !== 'weight') leaveOut(inner, serverReasons, remarks);
    else {
      const number = wholeNumber(value, 0, 65_535);
      if (number === undefined) remarks.notCarried(inner.place, inner.words, 'it is not a number that it could be');
      else if (number === 0 || isWeighted) weight = number;
      else if (number > 1) remarks.notCarried(inner.place, inner.words, 'its scheduler gives all the same share');
    }
  }
  if (weight === 0) return remarks.notCarried(place, words, noWeight);
  const address = nearestDnsName(at.ip.replaceAll(':', '-'));
  const name = servers.some(({ value }) => value.name === address) ? `${address}-${at.port}` : address;
  servers.push({ value: { name, ...at, weight }, place });
}

function readCheck({ block = [] }: Statement, settings: FoundSettings, remarks: Remarks): void {
  for (const inner of block) {
    const seconds = inner.words[0] === 'connect_timeout' ? wholeNumber(inner.words[1], 1, 86_400) : undefined;
    if (seconds === undefined) leaveOut(inner, serverReasons, remarks);
    else settings.set('loadBalancer.healthCheck.timeout', { value: `${seconds}s`, place: inner.place });
  }
}
