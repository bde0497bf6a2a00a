import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Namespace } from '../../src/lab/network.js';

/** RFC 1035: answers questions for A and AAAA with what a file says, other names with NXDOMAIN, and nobody while it says nothing. */
const script = `
const { readFileSync } = require('node:fs');
const [address, file] = process.argv.slice(1);
const server = require('node:dgram').createSocket('udp4');
server.on('message', (query, from) => {
  const labels = [];
  let at = 12;
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  const question = query.subarray(12, at + 5);
  const type = query.readUInt16BE(at + 1);
  const records = JSON.parse(readFileSync(file, 'utf8'));
  if (records === null) return;
  const ips = records[labels.join('.').toLowerCase()];
  const data = (ips ?? []).filter((ip) => type === (ip.includes(':') ? 28 : 1)).map(bytes);
  const flags = Buffer.from([0x85, ips === undefined ? 0x83 : 0x80, 0, 1, 0, data.length, 0, 0, 0, 0]);
  const answers = data.map((rdata) =>
    Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 1, 0, rdata.length]), rdata]));
  server.send(Buffer.concat([query.subarray(0, 2), flags, question, ...answers]), from.port, from.address);
});
function bytes(ip) {
  if (!ip.includes(':')) return Buffer.from(ip.split('.').map(Number));
  const [head, tail = ''] = ip.split('::').map((part) => part.split(':').filter(Boolean));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
server.bind(53, address, () => console.log('up'));
`;

/** The addresses of each name; null: it hears every question and is silent. */
type Records = Readonly<Record<string, readonly string[]>> | null;

export interface NameServer {
  say(records: Records): Promise<void>;
  end(): Promise<void>;
}

/** A DNS server on a host. @param folder where its file goes */
export async function startNameServer(
  host: Namespace & { readonly ip: string },
  folder: string,
  records: Records,
): Promise<NameServer> {
  const file = join(folder, 'records.json');
  const say = async (next: Records) => {
    await writeFile(`${file}.new`, JSON.stringify(next));
    await rename(`${file}.new`, file);
  };
  await say(records);
  const child = host.spawn(process.execPath, ['-e', script, host.ip, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  return {
    say,
    async end() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/**
 * What is put before a command so that it asks this name server, and no other.
 * @param resolvConf where it is to be asked otherwise than once and for a second
 */
export async function askingAt(
  server: string,
  folder: string,
  resolvConf = `nameserver ${server}\noptions timeout:1 attempts:1\n`,
): Promise<readonly string[]> {
  const [resolv, hosts] = [join(folder, 'resolv.conf'), join(folder, 'hosts')];
  await writeFile(resolv, resolvConf);
  await writeFile(hosts, '127.0.0.1 localhost\n10.77.0.103 written.example\n');
  const mounts = `mount --bind ${resolv} /etc/resolv.conf && mount --bind ${hosts} /etc/hosts && exec "$@"`;
  return ['unshare', '--mount', 'sh', '-c', mounts, 'sh'];
}
