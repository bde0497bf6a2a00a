import * as z from 'zod/mini';
import { type Cidr, parseCidr } from '../net/cidr.js';
import { familyOf, ipBytes, parseIp } from '../net/ip.js';
import { dnsSubdomain, type Kind, list, scalar, shown, Wrong } from './kinds.js';
import type { ListenAddress, ServerSettings } from './settings.js';

/** `:2112` (every address), `127.0.0.1:2112`, `[::1]:2112`, or `off`, which reads as undefined. */
export const listenAddress: Kind<ListenAddress | undefined> = scalar('`host:port`, `:port` or `off`', (text) => {
  if (text === 'off') return undefined;
  const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  const isHost = bracketed === undefined ? host === '' || isFamily(host, 4) : isFamily(host, 6);
  if (digits === '' || !isHost || port < 1 || port > 65535) {
    return new Wrong(`${shown(text)} is not an address to listen on; write :2112, 127.0.0.1:2112 or off`);
  }
  return { host, port };
});

/** A DNS name or an address. */
export const hostName: Kind<string> = scalar('DNS name or address', (text) => {
  if (parseIp(text) !== undefined || dnsSubdomain.schema.safeParse(text).success) return text;
  return new Wrong(
    `${shown(text)} is neither a DNS name nor an address; write one, such as kubernetes or 192.168.1.101`,
  );
});

/** IPv4 addresses with an optional prefix; every one must be fit to be a virtual IP. */
export const vipAddresses: Kind<readonly Cidr[]> = list(
  scalar('address', readVipAddress),
  'list of IPv4 addresses, each with an optional `/prefix`',
  'write a list, such as [192.168.1.100]',
);

const serverAddress = scalar('address', readEndpoint);

/** `{ name, address }` in the file; `name=ip:port` in a flag or the environment. */
export const servers: Kind<readonly ServerSettings[]> = list(
  {
    words: 'server',
    schema: z.pipe(
      z.strictObject(
        { name: dnsSubdomain.schema, address: serverAddress.schema },
        {
          error: (issue) =>
            issue.code === 'unrecognized_keys'
              ? `a server has the keys name and address, not ${(issue.keys ?? []).map(shown).join(', ')}; remove it`
              : `${shown(issue.input)} is not a server; write { name: cp1, address: "192.168.1.101:6443" }`,
        },
      ),
      z.transform(({ name, address }) => ({ name, ...address })),
    ),
    isList: false,
    fromText(text) {
      const equals = text.indexOf('=');
      return equals < 0 ? text : { name: text.slice(0, equals), address: text.slice(equals + 1) };
    },
  },
  'list of `{ name, address: "ip:port" }`; as text `name=ip:port,…`',
  'write a list of { name, address }',
  (server, earlier) =>
    earlier.some((other) => other.name === server.name)
      ? `the name ${shown(server.name)} is given to two servers; give each its own`
      : undefined,
);

function isFamily(text: string, family: 4 | 6): boolean {
  const ip = parseIp(text);
  return ip !== undefined && familyOf(ip) === family;
}

function readVipAddress(text: string): Cidr | Wrong {
  const cidr = parseCidr(text);
  if (cidr === undefined) return new Wrong(notAnAddress(text, 'VIP', '192.168.1.100'));
  if (familyOf(cidr.ip) === 6)
    return new Wrong(`${text} is IPv6, which this version does not serve as a VIP; write an IPv4 address`);
  const what = unfit(cidr);
  return what === undefined
    ? cidr
    : new Wrong(`${text} is ${what}, which cannot be a virtual IP; write a free address of the nodes' subnet`);
}

/** Why no host can have the address (RFC 1122 section 3.2.1.3, RFC 1112 section 4, RFC 3021 for /31). */
function unfit({ ip, prefixLength }: Cidr): string | undefined {
  const bytes = ipBytes(ip);
  const first = bytes[0] ?? 0;
  if (first === 0) return 'unspecified';
  if (first === 127) return 'a loopback address';
  if (first >= 224 && first < 240) return 'a multicast address';
  if (bytes.every((byte) => byte === 255)) return 'the broadcast address';
  if (prefixLength >= 31) return undefined;
  const host = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) & (2 ** (32 - prefixLength) - 1);
  if (host >>> 0 === 2 ** (32 - prefixLength) - 1) return `the broadcast address of its /${prefixLength} network`;
  return host === 0 ? `the network address of its /${prefixLength} network` : undefined;
}

function readEndpoint(text: string): Pick<ServerSettings, 'ip' | 'port'> | Wrong {
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  const ip = parseIp(text.slice(0, Math.max(0, colon)));
  const number = Number(digits);
  if (ip !== undefined && familyOf(ip) === 4 && /^\d{1,5}$/.test(digits) && number >= 1 && number <= 65535) {
    return { ip, port: number };
  }
  if (text.startsWith('[') || parseIp(text)?.includes(':') === true) {
    return new Wrong(`${shown(text)} is IPv6, which this version does not serve; write an IPv4 address with its port`);
  }
  if (colon < 0)
    return new Wrong(`${shown(text)} has no port; write the address with its port, such as 192.168.1.101:6443`);
  return new Wrong(notAnAddress(text, 'backend', '192.168.1.101:6443'));
}

function notAnAddress(text: string, what: string, example: string): string {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:\d+)?$/i.test(text) && /[g-z]/i.test(text)
    ? `${shown(text)} is a DNS name, which this version does not resolve for a ${what}; write its IPv4 address`
    : `${shown(text)} is not an IPv4 address; write one, such as ${example}`;
}
