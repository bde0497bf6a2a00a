import type { Found, FoundSettings, Remarks } from './found.js';
import { checkSettings } from './haproxy-check.js';
import type { Line } from './haproxy-lines.js';
import { keyOf, type ProxySection } from './haproxy-proxy.js';
import { type CheckParameters, readServer } from './haproxy-server.js';
import type { Service } from './service.js';
import { durationText } from './words.js';

/** The servers of a `backend` or `listen`, and how connections get to them. */
export function backendOf(
  backend: ProxySection,
  verifiesNothing: boolean,
  remarks: Remarks,
): Pick<Service, 'servers' | 'settings'> {
  const settings: FoundSettings = new Map();
  const last = (key: string) => backend.lines.findLast((line) => keyOf(line) === key);
  readBalance(last('balance'), settings, remarks);
  const connect = readTime(last('timeout connect'), remarks);
  if (connect !== undefined) settings.set('loadBalancer.connectTimeout', connect);

  const servers: Service['servers'][number][] = [];
  const checks: CheckParameters[] = [];
  let defaults: Line = { place: backend.place, words: [] };
  for (const line of backend.lines) {
    if (line.words[0] === 'default-server')
      defaults = { place: line.place, words: [...defaults.words, ...line.words.slice(1)] };
    if (line.words[0] !== 'server') continue;
    const read = readServer(line, defaults, remarks);
    if (read === undefined) continue;
    servers.push(read.server);
    checks.push(read.check);
  }
  checkSettings(backend, checks, readTime(last('timeout check'), remarks), verifiesNothing, settings, remarks);
  return { servers, settings };
}

function readBalance(line: Line | undefined, settings: FoundSettings, remarks: Remarks): void {
  if (line === undefined) return;
  const [, algorithm = ''] = line.words;
  if (algorithm === 'leastconn' || algorithm === 'roundrobin')
    settings.set('loadBalancer.scheduler', { value: algorithm, place: line.place });
  else if (algorithm !== 'static-rr')
    remarks.notCarried(line.place, line.words, 'vipd has roundrobin and leastconn; this takes roundrobin');
}

/** `timeout connect 5s` as vipd writes it; undefined when there is none, or with a remark when it is no time. */
function readTime(line: Line | undefined, remarks: Remarks): Found<string> | undefined {
  if (line === undefined) return undefined;
  const millis = haproxyMillis(line.words[2]);
  if (millis === undefined) remarks.notCarried(line.place, line.words, 'it is not a time');
  return millis === undefined ? undefined : { value: durationText(millis), place: line.place };
}

const unitMillis: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** HAProxy's times (configuration manual, section 2.5): milliseconds where no unit is written. Undefined for anything else. */
export function haproxyMillis(text: string | undefined): number | undefined {
  const [, digits, unit = 'ms'] = /^(\d{1,9})(us|ms|s|m|h|d)?$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Math.max(1, Math.round(Number(digits) * (unitMillis[unit] ?? 1)));
}
