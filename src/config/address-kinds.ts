import * as z from 'zod/mini';
import { parseCidr } from '../net/cidr.js';
import { endpoint, type Family, familyOf, type Ip, parseIp } from '../net/ip.js';
import { isLinkLocalIpv6, mappedIpv4 } from '../net/ipv6.js';
import { unfitForHost } from '../net/unfit.js';
import { count, dnsSubdomain, type Kind, list, scalar, shown, Wrong } from './kinds.js';
import type { ListenAddress, ServerSettings, VipAddress } from './settings.js';

/** `:2112` (every address), `127.0.0.1:2112`, `[::1]:2112`, or `off`, which reads as undefined. */
export const listenAddress: Kind<ListenAddress | undefined> = scalar('`host:port`, `:port` or `off`', (text) => {
  if (text === 'off') return undefined;
  const parts = splitPort(text);
  if (parts === undefined || !(isFamily(parts.host, parts.family) || (parts.family === 4 && parts.host === ''))) {
    return new Wrong(`${shown(text)} is not an address to listen on; write :2112, 127.0.0.1:2112 or off`);
  }
  return { host: parts.host, port: parts.port };
});

/** `https://host:port`, or `host:port`, which reads as that. */
export const apiServer: Kind<string> = scalar('`https://host:port` or `host:port`', (text) => {
  const wrong = new Wrong(`${shown(text)} is not an API server; write one, such as https://192.168.1.101:6443`);
  const address = text.includes('://') ? text : `https://${text}`;
  if (!URL.canParse(address) || /[\s\\]/.test(text)) return wrong;
  const { protocol, hostname, username, search, hash } = new URL(address);
  return protocol === 'https:' && hostname !== '' && `${username}${search}${hash}` === '' ? address : wrong;
});

/** A DNS name or an address. */
export const hostName: Kind<string> = scalar('DNS name or address', (text) => {
  if (parseIp(text) !== undefined || dnsSubdomain.schema.safeParse(text).success) return text;
  return new Wrong(
    `${shown(text)} is neither a DNS name nor an address; write one, such as kubernetes or 192.168.1.101`,
  );
});

/** IPv4 and IPv6 addresses with an optional prefix, every one fit to be a virtual IP, and DNS names. */
export const vipAddresses: Kind<readonly VipAddress[]> = list(
  scalar('address', readVipAddress),
  'list of IPv4 and IPv6 addresses, each with an optional `/prefix`, and DNS names',
  'write a list, such as [192.168.1.100] or [192.168.1.100, "2001:db8::100"]',
);

const plainAddress = scalar('address', (text) => {
  const ip = parseIp(text);
  return ip ?? new Wrong(notAnAddress(text, 'router', '192.168.1.11 or fe80::11'));
});

/** Addresses without a prefix; the list may be empty. */
export const plainAddresses: Kind<readonly Ip[]> = list(
  plainAddress,
  'list of addresses',
  'write a list, such as [192.168.1.12]',
  (ip, earlier) => (earlier.includes(ip) ? `${ip} is given twice; give each address once` : undefined),
  true,
);

/** An address without a prefix, or an empty text for none. */
export const plainAddressOrNone: Kind<Ip | undefined> = scalar('address', (text) =>
  text === '' ? undefined : (parseIp(text) ?? new Wrong(notAnAddress(text, 'router', '192.168.1.11'))),
);

const serverAddress = scalar('address', readEndpoint);

const serverWeight = count(1, 256, (input) =>
  input === 0
    ? '0 is no weight; for no new connections write one from 1 to 256, or leave it out, and run `vipd backend drain`'
    : undefined,
);

/** `{ name, address, weight }` in the file; `name=ip:port`, which has weight 1, in a flag or the environment. */
export const servers: Kind<readonly ServerSettings[]> = list(
  {
    words: 'server',
    schema: z.pipe(
      z.strictObject(
        { name: dnsSubdomain.schema, address: serverAddress.schema, weight: z._default(serverWeight.schema, 1) },
        {
          error: (issue) =>
            issue.code === 'unrecognized_keys'
              ? `a server has the keys name, address and weight, not ${(issue.keys ?? []).map(shown).join(', ')}; remove it`
              : `${shown(issue.input)} is not a server; write { name: cp1, address: "192.168.1.101:6443" }`,
        },
      ),
      z.transform(({ name, address, weight }) => ({ name, ...address, weight })),
    ),
    isList: false,
    fromText(text) {
      const equals = text.indexOf('=');
      return equals < 0 ? text : { name: text.slice(0, equals), address: text.slice(equals + 1) };
    },
  },
  'list of `{ name, address: "ip:port", weight: 1 }`; as text `name=ip:port,…`; IPv6 in brackets, `[ip]:port`',
  'write a list of { name, address }',
  (server, earlier) => {
    if (earlier.some((other) => other.name === server.name)) {
      return `the name ${shown(server.name)} is given to two servers; give each its own`;
    }
    const same = earlier.find((other) => other.ip === server.ip && other.port === server.port);
    return same === undefined
      ? undefined
      : `${endpoint(server.ip, server.port)} is the address of ${same.name} already; list each once`;
  },
);

function isFamily(text: string, family: Family): boolean {
  const ip = parseIp(text);
  return ip !== undefined && familyOf(ip) === family;
}

/** `host:port`, or `[host]:port` for IPv6; undefined when it is neither, or there is no such port. */
function splitPort(
  text: string,
): { readonly host: string; readonly family: Family; readonly port: number } | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits ?? 0);
  if (port < 1 || port > 65535) return undefined;
  return bracketed === undefined ? { host: plain, family: 4, port } : { host: bracketed, family: 6, port };
}

function readVipAddress(text: string): VipAddress | Wrong {
  const cidr = parseCidr(text);
  if (cidr === undefined) return readVipName(text);
  const ipv4 = mappedIpv4(cidr.ip);
  if (ipv4 !== undefined) return new Wrong(`${text} is an IPv4 address in the guise of IPv6; write ${ipv4}`);
  const what = unfitForHost(cidr);
  return what === undefined
    ? cidr
    : new Wrong(`${text} is ${what}, which cannot be a virtual IP; write a free address of the nodes' subnet`);
}

/**
 * Nobody's top-level domain begins with a digit (RFC 3696 section 2): what does is an address with a slip of the pen. With a dot at its
 * end it is a whole name, to which resolv.conf's `search` adds nothing.
 */
function readVipName(whole: string): VipAddress | Wrong {
  const text = whole.replace(/\.$/, '');
  const isBrokenIp = /(^|\.)\d[^.]*$|^(\d+\.){3}[^.]*$/.test(text);
  if (isBrokenIp || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(text)) {
    return new Wrong(
      `${shown(whole)} is neither an address nor a DNS name; write one, such as 192.168.1.100, 2001:db8::100 or api.example.org`,
    );
  }
  const name = dnsSubdomain.schema.safeParse(text);
  return name.success
    ? { name: `${name.data}${whole.slice(text.length)}` }
    : new Wrong(name.error.issues[0]?.message ?? text);
}

function readEndpoint(text: string): Pick<ServerSettings, 'ip' | 'port'> | Wrong {
  const parts = splitPort(text);
  const ip = parseIp(parts?.host ?? '');
  if (parts !== undefined && ip !== undefined && familyOf(ip) === parts.family) {
    const ipv4 = mappedIpv4(ip);
    if (ipv4 !== undefined)
      return new Wrong(`${shown(text)} is IPv4 in the guise of IPv6; write ${ipv4}:${parts.port}`);
    return isLinkLocalIpv6(ip)
      ? new Wrong(
          `${shown(text)} is link-local, which no other host knows the way to; write the server's other address`,
        )
      : { ip, port: parts.port };
  }
  if (isFamily(text, 6)) {
    return new Wrong(
      `${shown(text)} has no brackets, so where its port begins is open; write [2001:db8::101]:6443 for port 6443 of 2001:db8::101`,
    );
  }
  if (/^[^:]*$|^\[.*\]$/.test(text))
    return new Wrong(`${shown(text)} has no port; write the address with its port, such as 192.168.1.101:6443`);
  return new Wrong(notAnAddress(text, 'backend', '192.168.1.101:6443 or [2001:db8::101]:6443'));
}

function notAnAddress(text: string, what: string, example: string): string {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:\d+)?$/i.test(text) && /[g-z]/i.test(text)
    ? `${shown(text)} is a DNS name, which this version does not resolve for a ${what}; write its address`
    : `${shown(text)} is not an address; write one, such as ${example}`;
}
