import type { Readable } from 'node:stream';
import type { Host } from '../../src/lab/network.js';
import { type Ip, parseIp } from '../../src/net/ip.js';
import { until } from './poll.js';

/** Who has which address, and had it when, as the kernels told it. */
export interface HeldAddresses {
  watch(host: Host): Promise<void>;
  holds(host: Host, ip: Ip): boolean;
  /** The host is cut off: what its kernel holds on to concerns nobody. */
  forget(host: Host): void;
  /** For how long at a time more than one host had the address since then, in milliseconds; still so counts until now. */
  longestOverlap(ip: Ip, since: number): number;
  /** When the host last got (or lost) the address, by the wall clock in milliseconds since 1970. */
  lastChange(host: Host, ip: Ip, on: boolean): number | undefined;
}

interface Change {
  readonly at: number;
  readonly host: Host;
  readonly ip: Ip;
  readonly on: boolean;
}

const marker = '127.0.0.7' as Ip;
// [2026-01-31T12:00:00.123456] Deleted 2: eth0    inet 10.77.0.100/32 scope …
const line = /^\[(\S+)\] (Deleted )?\d+: \S+ +inet6? ([\da-f.:]+)/;

export function heldAddresses(): HeldAddresses {
  const changes: Change[] = [];
  const last = (host: Host, ip: Ip) => changes.findLast((change) => change.host === host && change.ip === ip);
  const holds = (host: Host, ip: Ip) => last(host, ip)?.on ?? false;

  function record(change: Change): void {
    // A refreshed lifetime is told as one more address.
    if (holds(change.host, change.ip) !== change.on) changes.push(change);
  }

  return {
    async watch(host) {
      const child = host.spawn('ip', ['-o', '-ts', 'monitor', 'address'], { stdio: ['ignore', 'pipe', 'inherit'] });
      let pending = '';
      let isWatching = false;
      (child.stdout as Readable).on('data', (text: Buffer) => {
        const lines = (pending + text).split('\n');
        pending = lines.pop() ?? '';
        for (const [, time, deleted, address] of lines.map((each) => line.exec(each) ?? [])) {
          const ip = address === undefined ? undefined : parseIp(address);
          if (time === undefined || ip === undefined) continue;
          if (ip === marker) isWatching = true;
          else record({ at: Date.parse(time), host, ip, on: deleted === undefined });
        }
      });
      // It does not say when it begins to listen.
      const touch = () => host.run('ip', ['address', 'replace', `${marker}/32`, 'dev', 'lo']);
      await until(async () => (isWatching ? true : void (await touch())), { what: `ip monitor on ${host.name}` });
      await host.run('ip', ['address', 'delete', `${marker}/32`, 'dev', 'lo']);
    },
    holds,
    forget(host) {
      const held = new Set(changes.filter((change) => change.host === host && change.on).map(({ ip }) => ip));
      for (const ip of held) record({ at: Date.now(), host, ip, on: false });
    },
    longestOverlap(ip, since) {
      const holders = new Set<Host>();
      let began: number | undefined;
      let longest = 0;
      const of = changes.filter((change) => change.ip === ip).sort((a, b) => a.at - b.at);
      for (const { at, host, on } of of) {
        if (began !== undefined) longest = Math.max(longest, at - Math.max(began, since));
        if (on) holders.add(host);
        else holders.delete(host);
        began = holders.size > 1 ? (began ?? at) : undefined;
      }
      return began === undefined ? longest : Math.max(longest, Date.now() - Math.max(began, since));
    },
    lastChange: (host, ip, on) =>
      changes.findLast((change) => change.host === host && change.ip === ip && change.on === on)?.at,
  };
}
