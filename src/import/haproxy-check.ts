import type { Found, FoundSettings, Remarks } from './found.js';
import type { Line } from './haproxy-lines.js';
import { keyOf, type ProxySection } from './haproxy-proxy.js';
import { proxyReasons } from './haproxy-reasons.js';
import type { CheckParameters } from './haproxy-server.js';
import { wholeNumber } from './words.js';

const below = (key: string): string => `loadBalancer.healthCheck.${key}`;

/** What `option httpchk` and the lines of `http-check` ask for. */
interface HttpCheck {
  readonly line: Line;
  method: string;
  path: Found<string>;
  statuses: Found<readonly number[]> | undefined;
  serverName: Found<string> | undefined;
  isTls: boolean;
}

/**
 * How a backend is checked. HAProxy's rules: the last `option …chk` counts, what is not `check`ed has no times, and without
 * `timeout check` the interval bounds the whole check.
 */
export function checkSettings(
  backend: ProxySection,
  checks: readonly CheckParameters[],
  timeout: Found<string> | undefined,
  verifiesNothing: boolean,
  settings: FoundSettings,
  remarks: Remarks,
): void {
  readTimes(checks, timeout, settings, remarks);
  const http = readHttpCheck(backend, remarks);
  const hello = backend.lines.findLast((line) => keyOf(line) === 'option ssl-hello-chk');
  if (hello !== undefined) {
    if (http === undefined) remarks.notCarried(hello.place, hello.words, 'without option httpchk vipd checks by TCP');
    else
      remarks.note(
        hello.place,
        hello.words,
        `vipd asks GET ${http.path.value} over TLS, which is more than this greeting`,
      );
  }
  if (http === undefined) return;
  const { line } = http;
  if (!http.isTls && hello === undefined && !checks.some(({ isTls }) => isTls)) {
    remarks.notCarried(
      line.place,
      line.words,
      'vipd checks by HTTPS or TCP, and this is HTTP without TLS; this takes tcp',
    );
    return;
  }
  settings.set(below('type'), { value: 'https', place: line.place });
  settings.set(below('path'), http.path);
  if (http.method !== 'GET') remarks.note(line.place, line.words, `vipd asks by GET, not by ${http.method}`);
  if (http.statuses !== undefined) settings.set(below('aliveStatuses'), http.statuses);
  else
    remarks.note(
      line.place,
      line.words,
      'HAProxy takes any status of 2xx and 3xx; vipd takes 200 and 401 (healthCheck.aliveStatuses)',
    );
  const serverName = http.serverName ?? checks.find((check) => check.serverName !== undefined)?.serverName;
  if (serverName !== undefined) settings.set(below('serverName'), serverName);
  readTrust(line, checks, hello, verifiesNothing, settings, remarks);
}

function readTimes(
  checks: readonly CheckParameters[],
  timeout: Found<string> | undefined,
  settings: FoundSettings,
  remarks: Remarks,
): void {
  const checked = checks.filter(({ isChecked }) => isChecked);
  const [first] = checked;
  if (first === undefined) return;
  for (const [key, found] of first.numbers) settings.set(below(key), found);
  for (const { numbers } of checked.slice(1)) {
    for (const [key, { value, place }] of numbers) {
      const taken = first.numbers.get(key);
      if (taken?.value !== value)
        remarks.notCarried(
          place,
          [key, String(value)],
          'all backends of a VIP are checked alike, as the first server is',
        );
    }
  }
  const covering = timeout ?? first.numbers.get('interval');
  if (covering !== undefined) settings.set(below('timeout'), covering);
}

/** Undefined when the check is not by HTTP. */
function readHttpCheck(backend: ProxySection, remarks: Remarks): HttpCheck | undefined {
  const kinds = ['option httpchk', 'option tcp-check', 'option external-check'];
  const last = backend.lines.findLast((line) => kinds.includes(keyOf(line)));
  const http = last !== undefined && keyOf(last) === 'option httpchk' ? asked(last) : undefined;
  for (const line of backend.lines) {
    const key = keyOf(line);
    if (key === 'option httpchk' && line !== last)
      remarks.notCarried(line.place, line.words, `line ${last?.place.line} has the check that counts`);
    if (key === 'tcp-check') remarks.notCarried(line.place, line.words, proxyReasons.get(key) ?? '');
    if (key !== 'http-check') continue;
    if (http === undefined) remarks.notCarried(line.place, line.words, 'the check is not by HTTP');
    else if (!readRule(line, http)) remarks.notCarried(line.place, line.words, proxyReasons.get(key) ?? '');
  }
  return http;
}

/** `option httpchk`, `… URI`, `… METHOD URI`, `… METHOD URI VERSION`. */
function asked(line: Line): HttpCheck {
  const [, , first, second] = line.words;
  const path = second ?? (first?.startsWith('/') === true ? first : '/');
  return {
    line,
    method: second === undefined ? 'OPTIONS' : (first ?? ''),
    path: { value: path, place: line.place },
    statuses: undefined,
    serverName: undefined,
    isTls: false,
  };
}

/** Whether everything that a line of `http-check` says is carried over. */
function readRule({ place, words }: Line, http: HttpCheck): boolean {
  const [, rule, ...rest] = words;
  if (rule === 'connect') {
    let isAll = true;
    for (let i = 0; i < rest.length; i++) {
      if (rest[i] === 'ssl') http.isTls = true;
      else if (rest[i] === 'sni') http.serverName = { value: rest[++i] ?? '', place };
      else isAll = false;
    }
    return isAll;
  }
  if (rule === 'send') {
    let isAll = true;
    // Without a method HAProxy sends that of option httpchk.
    for (let i = 0; i < rest.length; i += 2) {
      const value = rest[i + 1] ?? '';
      if (rest[i] === 'meth') http.method = value;
      else if (rest[i] === 'uri') http.path = { value, place };
      else if (rest[i] !== 'ver') isAll = false;
      if (rest[i] === 'hdr') i++;
    }
    return isAll;
  }
  if (rule !== 'expect' || rest[0] !== 'status') return false;
  const statuses = readStatuses(rest[1] ?? '');
  if (statuses !== undefined) http.statuses = { value: statuses, place };
  return statuses !== undefined;
}

/** `200`, `200,401`, `200-204`; undefined for what is no list, or longer than anybody would read. */
function readStatuses(text: string): readonly number[] | undefined {
  const statuses: number[] = [];
  for (const part of text.split(',')) {
    const [from, to = from] = part.split('-');
    const first = wholeNumber(from, 200, 599);
    const last = wholeNumber(to, 200, 599);
    if (first === undefined || last === undefined || last < first || last - first >= 20) return undefined;
    for (let status = first; status <= last; status++) statuses.push(status);
  }
  return statuses.length > 20 ? undefined : statuses;
}

/** Whom an https check believes. A greeting by ssl-hello-chk looks at no certificate. */
function readTrust(
  line: Line,
  checks: readonly CheckParameters[],
  hello: Line | undefined,
  verifiesNothing: boolean,
  settings: FoundSettings,
  remarks: Remarks,
): void {
  const verify = checks.find((check) => check.verify !== undefined)?.verify;
  const ca = checks.find((check) => check.ca !== undefined)?.ca;
  if (verify?.value === 'none') settings.set(below('insecure'), { value: true, place: verify.place });
  else if (ca !== undefined) settings.set(below('ca'), ca);
  else if (hello !== undefined) settings.set(below('insecure'), { value: true, place: hello.place });
  else if (verifiesNothing) settings.set(below('insecure'), { value: true, place: line.place });
  else remarks.note(line.place, line.words, 'no CA is named; write healthCheck.ca, the file of the CA of the servers');
}
