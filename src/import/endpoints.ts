import { familyOf, type Ip, parseIp } from '../net/ip.js';
import { wholeNumber } from './words.js';

export interface Endpoint {
  /** Undefined: every address (`*`, nothing, 0.0.0.0, ::). */
  readonly ip: Ip | undefined;
  /** Undefined when none is written. */
  readonly port: number | undefined;
}

/**
 * Reads `192.168.1.101:6443`, `[::1]:6443`, `*:6443`, `:6443`, `6443` (with `bare` a port, else nothing), `:::6443` (HAProxy's own
 * form: what follows the last colon is the port). Undefined for names, paths, ranges and whatever else.
 */
export function parseEndpoint(text: string, bare: 'port' | 'address'): Endpoint | undefined {
  if (bare === 'port' && /^\d+$/.test(text)) return withPort(undefined, text);
  const [, bracketed, afterBracket] = /^\[([^\]]*)\](?::(\d+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) {
    const ip = parseIp(bracketed);
    return ip === undefined || familyOf(ip) === 4 ? undefined : withPort(ip, afterBracket);
  }
  const colon = text.lastIndexOf(':');
  const host = colon < 0 ? text : text.slice(0, colon);
  const port = colon < 0 ? undefined : text.slice(colon + 1);
  if (host === '' || host === '*') return withPort(undefined, port);
  const ip = parseIp(host);
  return ip === undefined ? undefined : withPort(ip, port);
}

function withPort(ip: Ip | undefined, digits: string | undefined): Endpoint | undefined {
  const everywhere = ip === '0.0.0.0' || ip === '::';
  const port = wholeNumber(digits, 1, 65535);
  if (digits !== undefined && port === undefined) return undefined;
  return { ip: everywhere ? undefined : ip, port };
}
