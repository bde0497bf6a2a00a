import { parseEndpoint } from './endpoints.js';
import type { Found, Place, Remarks } from './found.js';
import type { Line } from './haproxy-lines.js';
import { proxyReasons } from './haproxy-reasons.js';
import type { Listen } from './service.js';
import { placeholderIn, unfilled } from './words.js';

/** A `frontend`, `backend` or `listen`. */
export interface ProxySection {
  readonly kind: 'frontend' | 'backend' | 'listen';
  readonly place: Place;
  readonly words: readonly string[];
  /** What it inherits, then its own. */
  readonly lines: readonly Line[];
  readonly mode: string;
  readonly defaultBackend: Found<string> | undefined;
}

const frontKeywords = ['mode', 'bind', 'default_backend'];
const backKeywords = [
  ...['balance', 'server', 'default-server', 'timeout connect', 'timeout check'],
  ...['option httpchk', 'option tcp-check', 'option ssl-hello-chk', 'http-check', 'tcp-check'],
];

export function readProxy(
  kind: ProxySection['kind'],
  place: Place,
  words: readonly string[],
  lines: readonly Line[],
): ProxySection {
  const last = (keyword: string) => lines.findLast((line) => line.words[0] === keyword);
  // `use_backend` without a condition is a default_backend that comes last.
  const unconditional = (line: Line) => line.words[0] === 'use_backend' && line.words.length === 2;
  const named = last('default_backend') ?? lines.find(unconditional);
  return {
    kind,
    place,
    words,
    lines,
    mode: last('mode')?.words[1] ?? 'tcp',
    defaultBackend: named?.words[1] === undefined ? undefined : { value: named.words[1], place: named.place },
  };
}

/** The words that tell what a line is about: `bind`, `timeout connect`, `option tcplog`. */
export function keyOf({ words }: Line): string {
  const [first = '', second = ''] = words;
  return first === 'option' || first === 'timeout' ? `${first} ${second}` : first;
}

/** Says of every line that nothing reads why it is not carried over. */
export function remarkOnLines(proxy: ProxySection, remarks: Remarks): void {
  for (const line of proxy.lines) {
    const key = keyOf(line);
    if (frontKeywords.includes(key)) continue;
    if (backKeywords.includes(key)) {
      const isOwn = line.place.line > proxy.place.line;
      if (proxy.kind === 'frontend' && isOwn)
        remarks.notCarried(line.place, line.words, 'HAProxy itself ignores it in a frontend');
    } else if (key !== 'use_backend' || line.words[1] !== proxy.defaultBackend?.value) {
      const because = proxyReasons.get(key) ?? proxyReasons.get(line.words[0] ?? '') ?? 'vipd has nothing like it';
      remarks.notCarried(line.place, line.words, because);
    }
  }
}

/** Parameters of `bind` that change nothing for vipd; those of two words have the value true. */
const harmless: Readonly<Record<string, boolean>> = {
  name: true,
  id: true,
  backlog: true,
  maxconn: true,
  nice: true,
  process: true,
  thread: true,
  shards: true,
  transparent: false,
  v4v6: false,
  v6only: false,
  tfo: false,
  'defer-accept': false,
};

/** Where a frontend or a listen listens, as far as vipd can. */
export function listensOf(proxy: ProxySection, remarks: Remarks): Found<Listen>[] {
  return proxy.lines.filter(({ words }) => words[0] === 'bind').flatMap((line) => readBind(line, remarks));
}

function readBind({ place, words }: Line, remarks: Remarks): Found<Listen>[] {
  const missing = placeholderIn(words);
  if (missing !== undefined) {
    remarks.notCarried(place, words, unfilled(missing));
    return [];
  }
  const parameters = words.slice(2);
  for (let i = 0; i < parameters.length; i++) {
    const parameter = parameters[i] ?? '';
    const hasValue = harmless[parameter];
    if (parameter === 'accept-proxy')
      remarks.notCarried(place, [parameter], 'vipd takes no PROXY protocol; its clients must not send it');
    else if (hasValue === undefined) remarks.notCarried(place, [parameter], 'vipd listens without it');
    else if (hasValue) i++;
  }
  return (words[1] ?? '').split(',').flatMap((text) => {
    const [, family = '', address = ''] = /^(ipv4@|ipv6@|tcp4@|tcp6@|tcp@)?(.*)$/s.exec(text) ?? [];
    const endpoint = parseEndpoint(address, 'address');
    if (endpoint?.port !== undefined) return [{ value: { ip: endpoint.ip, port: endpoint.port, words }, place }];
    const because = /-\d+$/.test(address)
      ? 'vipd takes each port by its number; write them into loadBalancer.ports'
      : `${JSON.stringify(family + address)} is not an address and a port of TCP`;
    remarks.notCarried(place, words, because);
    return [];
  });
}
