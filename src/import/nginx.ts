import { parseEndpoint } from './endpoints.js';
import type { Found, FoundSettings, Place, Remarks, SourceText } from './found.js';
import { nginxReasons } from './nginx-reasons.js';
import type { Listen, Server, Service } from './service.js';
import { nginxGrammar, parseStatements, type Statement } from './statements.js';
import { durationText, nearestDnsName, placeholderIn, unfilled, wholeNumber } from './words.js';

/**
 * Reads nginx.conf: every `server` of `stream`, with its `upstream`. A file that another includes inside `stream` has both at its
 * top, and is read as such.
 * @throws Unreadable where braces, quotes or `;` are missing
 */
export function readNginx({ file, text }: SourceText, remarks: Remarks): readonly Service[] {
  const stream: Statement[] = [];
  for (const statement of parseStatements(file, text, nginxGrammar)) {
    const { words, block } = statement;
    if (words[0] === 'stream' && block !== undefined) stream.push(...block);
    else if (block !== undefined && (words[0] === 'upstream' || words[0] === 'server')) stream.push(statement);
    else leaveOut(statement, remarks);
  }
  const isBlock = (keyword: string) => (statement: Statement) =>
    statement.words[0] === keyword && statement.block !== undefined;
  const upstreams = stream.filter(isBlock('upstream'));
  const used = new Set<Statement>();
  const inherited = stream.filter(({ words }) => words[0] === 'proxy_connect_timeout');
  for (const statement of stream) {
    if ([...upstreams, ...inherited].includes(statement) || isBlock('server')(statement)) continue;
    leaveOut(statement, remarks);
  }
  const services = stream.filter(isBlock('server')).flatMap((server) => {
    const service = readServer(server, upstreams, inherited, used, remarks);
    return service === undefined ? [] : [service];
  });
  for (const upstream of upstreams) {
    if (!used.has(upstream))
      remarks.notCarried(upstream.place, upstream.words, 'nothing that is carried over hands connections to it');
  }
  return services;
}

function readServer(
  server: Statement,
  upstreams: readonly Statement[],
  inherited: readonly Statement[],
  used: Set<Statement>,
  remarks: Remarks,
): Service | undefined {
  const own = server.block ?? [];
  const refuse = ({ place, words }: Statement, because: string): undefined =>
    remarks.notCarried(place, words, `${because}; nothing of this server is`) as undefined;
  const pass = own.find(({ words }) => words[0] === 'proxy_pass');
  const target = pass?.words[1];
  if (pass === undefined || target === undefined) return refuse(server, 'it has no proxy_pass');
  const upstream = upstreams.find(({ words }) => words[1] === target);
  const missing = placeholderIn([target]);
  if (upstream === undefined && missing !== undefined)
    return refuse(pass, 'vipd has one list of backends for all connections, whatever the client says');
  for (const { words, place } of own) {
    const isTls = words[0] === 'listen' && words.includes('ssl');
    if (isTls) return refuse({ words, place, block: undefined }, 'vipd hands TLS through and ends none');
    if (words[0] === 'listen' && words.includes('udp'))
      return refuse({ words, place, block: undefined }, 'vipd balances TCP');
    if ((words[0] === 'proxy_protocol' || words[0] === 'proxy_ssl') && words[1] === 'on')
      return refuse({ words, place, block: undefined }, 'vipd hands on what clients send, and nothing before it');
  }
  const settings: FoundSettings = new Map();
  const listens: Found<Listen>[] = [];
  for (const statement of [...inherited, ...own]) {
    const [keyword, value] = statement.words;
    if (keyword === 'listen') listens.push(...readListen(statement, remarks));
    else if (keyword === 'proxy_connect_timeout') {
      const millis = nginxMillis(value);
      if (millis === undefined) remarks.notCarried(statement.place, statement.words, 'it is not a time');
      else settings.set('loadBalancer.connectTimeout', { value: durationText(millis), place: statement.place });
    } else if (statement !== pass) leaveOut(statement, remarks);
  }
  const name = upstream === undefined ? `port-${listens[0]?.value.port ?? ''}` : target;
  const servers: Found<Server>[] = [];
  if (upstream === undefined) addServer(target, 1, pass.place, pass.words, servers, remarks);
  else {
    used.add(upstream);
    readUpstream(upstream, servers, settings, remarks);
  }
  return { name: { value: name, place: server.place }, listens, servers, settings };
}

function readUpstream({ block }: Statement, servers: Found<Server>[], settings: FoundSettings, remarks: Remarks): void {
  for (const statement of block ?? []) {
    const { place, words } = statement;
    if (words[0] === 'least_conn') settings.set('loadBalancer.scheduler', { value: 'leastconn', place });
    else if (words[0] !== 'server') leaveOut(statement, remarks);
    else if (words.includes('backup'))
      remarks.notCarried(place, words, 'vipd has no backup servers: it would take its share all the time');
    else if (words.includes('down')) remarks.notCarried(place, words, 'it is marked down; see vipd backend drain');
    else {
      const weightIn = (parameter: string) => wholeNumber(/^weight=(.*)$/.exec(parameter)?.[1], 1, 999_999_999);
      const weight = words.map(weightIn).find((found) => found !== undefined) ?? 1;
      addServer(words[1] ?? '', weight, place, words, servers, remarks);
      for (const parameter of words.slice(2)) {
        const [key = ''] = parameter.split('=');
        if (weightIn(parameter) === undefined)
          remarks.notCarried(place, [parameter], nginxReasons.get(`server ${key}`) ?? 'vipd has nothing like it');
      }
    }
  }
}

/** nginx names no servers: they are called by their addresses, and by their ports too where one address has several. */
function addServer(
  text: string,
  weight: number,
  place: Place,
  words: readonly string[],
  servers: Found<Server>[],
  remarks: Remarks,
): void {
  const missing = placeholderIn([text]);
  const endpoint = parseEndpoint(text, 'address');
  if (missing !== undefined) remarks.notCarried(place, words, unfilled(missing));
  else if (text.startsWith('unix:')) remarks.notCarried(place, words, 'vipd connects to addresses and ports of TCP');
  else if (endpoint?.ip === undefined || endpoint.port === undefined)
    remarks.notCarried(place, words, 'vipd does not resolve names; write the address of the server, and its port');
  else {
    const address = nearestDnsName(endpoint.ip.replaceAll(':', '-'));
    const name = servers.some(({ value }) => value.name === address) ? `${address}-${endpoint.port}` : address;
    servers.push({ value: { name, ip: endpoint.ip, port: endpoint.port, weight }, place });
  }
}

function readListen({ place, words }: Statement, remarks: Remarks): Found<Listen>[] {
  const endpoint = parseEndpoint(words[1] ?? '', 'port');
  for (const parameter of words.slice(2)) {
    const [key = ''] = parameter.split('=');
    if (!['reuseport', 'ipv6only', 'backlog', 'fastopen', 'deferred', 'bind'].includes(key))
      remarks.notCarried(place, [parameter], nginxReasons.get(`listen ${key}`) ?? 'vipd listens without it');
  }
  if (endpoint?.port !== undefined) return [{ value: { ip: endpoint.ip, port: endpoint.port, words }, place }];
  const missing = placeholderIn(words);
  const because = missing === undefined ? 'it is not one port of TCP, with an address or without' : unfilled(missing);
  remarks.notCarried(place, words, because);
  return [];
}

function leaveOut({ place, words }: Statement, remarks: Remarks): void {
  remarks.notCarried(place, words, nginxReasons.get(words[0] ?? '') ?? 'vipd has nothing like it');
}

const unitMillis: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** nginx's times: seconds where no unit is written, and `1m 30s` in one word, `1m30s`. Undefined for anything else. */
export function nginxMillis(text: string | undefined): number | undefined {
  if (text === undefined || !/^(\d{1,9}(ms|[smhdw]))+$|^\d{1,9}$/.test(text)) return undefined;
  let millis = 0;
  for (const [, digits, unit = 's'] of text.matchAll(/(\d+)(ms|[smhdw])?/g))
    millis += Number(digits) * (unitMillis[unit] ?? 1000);
  return millis;
}
