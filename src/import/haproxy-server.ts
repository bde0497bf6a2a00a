import { parseEndpoint } from './endpoints.js';
import type { Found, Place, Remarks } from './found.js';
import { haproxyMillis } from './haproxy-backend.js';
import type { Line } from './haproxy-lines.js';
import { serverReasons } from './haproxy-reasons.js';
import type { Server } from './service.js';
import { noWeight } from './weights.js';
import { durationText, nearestDnsName, placeholderIn, unfilled, wholeNumber } from './words.js';

/** How one server is checked, as its line and `default-server` say. */
export interface CheckParameters {
  isChecked: boolean;
  isTls: boolean;
  verify: Found<string> | undefined;
  ca: Found<string> | undefined;
  serverName: Found<string> | undefined;
  /** By the last step of vipd's path: interval, fastInterval, fall, rise. */
  readonly numbers: Map<string, Found<unknown>>;
}

interface Reading {
  readonly check: CheckParameters;
  weight: number;
  /** Why the server cannot be one of vipd's. */
  refusal: string | undefined;
}

/** Undefined, with a remark, when the server cannot be one of vipd's. `defaults` has the parameters of `default-server`. */
export function readServer(
  line: Line,
  defaults: Line,
  remarks: Remarks,
): { readonly server: Found<Server>; readonly check: CheckParameters } | undefined {
  const { place, words } = line;
  const missing = placeholderIn(words);
  if (missing !== undefined) {
    remarks.notCarried(place, words, unfilled(missing));
    return undefined;
  }
  const reading: Reading = {
    check: {
      isChecked: false,
      isTls: false,
      verify: undefined,
      ca: undefined,
      serverName: undefined,
      numbers: new Map(),
    },
    weight: 1,
    refusal: undefined,
  };
  readParameters(defaults.words, defaults.place, reading, remarks);
  readParameters(words.slice(3), place, reading, remarks);
  const [, written = '', address = ''] = words;
  const endpoint = parseEndpoint(address.replace(/^(ipv4|ipv6)@/, ''), 'address');
  const name = nearestDnsName(written);
  const refusal =
    reading.refusal ??
    (reading.weight === 0 ? noWeight : undefined) ??
    (endpoint?.ip === undefined ? 'vipd does not resolve names; write the address of the server' : undefined) ??
    (name === '' ? 'nothing of its name can be in a DNS name; give it another' : undefined);
  if (refusal !== undefined || endpoint?.ip === undefined) {
    remarks.notCarried(place, words.slice(0, 3), refusal ?? '');
    return undefined;
  }
  if (name !== written) remarks.note(place, words.slice(0, 2), `vipd calls it ${name}, a DNS name`);
  const { ip, port } = endpoint;
  return { server: { value: { name, ip, port, weight: reading.weight }, place }, check: reading.check };
}

const refusals: Readonly<Record<string, string>> = {
  backup: 'vipd has no backup servers: it would take its share all the time',
  disabled: 'it is disabled; see vipd backend drain',
  ssl: 'vipd hands TLS through and begins none',
  'send-proxy': 'vipd sends no PROXY protocol, which this server waits for',
  'send-proxy-v2': 'vipd sends no PROXY protocol, which this server waits for',
};

function readParameters(words: readonly string[], place: Place, reading: Reading, remarks: Remarks): void {
  const { check } = reading;
  const time = (value: string) => {
    const millis = haproxyMillis(value);
    return millis === undefined ? undefined : durationText(millis);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[i + 1] ?? '';
    const put = (key: string, found: unknown): void => {
      if (found === undefined) remarks.notCarried(place, [word, value], 'it is not a number that it could be');
      else check.numbers.set(key, { value: found, place });
      i++;
    };
    const text = (): Found<string> => {
      i++;
      return { value, place };
    };
    switch (word) {
      case 'check':
        check.isChecked = true;
        break;
      case 'no-check':
        check.isChecked = false;
        break;
      case 'check-ssl':
        check.isTls = true;
        break;
      case 'inter':
        put('interval', time(value));
        break;
      case 'fastinter':
        put('fastInterval', time(value));
        break;
      case 'fall':
      case 'rise':
        put(word, wholeNumber(value, 1, 100));
        break;
      case 'weight': {
        const weight = wholeNumber(value, 0, 256);
        if (weight === undefined) remarks.notCarried(place, [word, value], 'it is not a number that it could be');
        else reading.weight = weight;
        i++;
        break;
      }
      case 'verify':
        check.verify = text();
        break;
      case 'ca-file':
        check.ca = text();
        break;
      case 'sni':
      case 'check-sni':
      case 'verifyhost': {
        const named = text();
        const name = /^str\((.*)\)$/.exec(named.value)?.[1] ?? named.value;
        check.serverName = { value: name, place };
        break;
      }
      case 'on-marked-down':
        i++;
        break;
      case 'enabled':
      case 'no-backup':
      case 'non-stick':
      case 'tfo':
      case 'no-ssl':
      case 'no-check-ssl':
        break;
      default: {
        const reason = serverReasons.get(word);
        reading.refusal ??= Object.hasOwn(refusals, word) ? refusals[word] : undefined;
        if (Object.hasOwn(refusals, word)) break;
        remarks.notCarried(
          place,
          reason?.hasValue === true ? [word, value] : [word],
          reason?.because ?? 'vipd has nothing like it',
        );
        if (reason?.hasValue === true) i++;
      }
    }
  }
}
