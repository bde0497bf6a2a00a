import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Cidr, parseCidr } from '../net/cidr.js';
import type { Ip } from '../net/ip.js';
import type { Clock } from '../time/clock.js';
import { type Millis, millis } from '../time/instant.js';
import type { Host } from './network.js';
import { until } from './until.js';

/** One rtnetlink notification about an address. `put` is an addition or a refresh of its lifetime. */
export interface AddressEvent {
  /** Wall clock, milliseconds since 1970 with microseconds behind the point. */
  readonly at: number;
  readonly kind: 'put' | 'removed';
  readonly address: Cidr;
  readonly interface: string;
}

/** What happened to one address on one host since the watch began, seen by the kernel's own notifications. */
export interface AddressWatch {
  readonly host: Host;
  readonly events: readonly AddressEvent[];
  /** Whether the address is on the host now. */
  held(): boolean;
  /** When it was last removed; undefined when it never was. */
  removedAt(): number | undefined;
  /** The stretches of time in which the host had it; one that lasts ends at `now`. */
  tenures(now: number): readonly Tenure[];
}

/** Wall clock, milliseconds since 1970. */
export interface Tenure {
  readonly from: number;
  readonly to: number;
}

const line = /^\[([\d.T:-]+)\]\s+(Deleted )?\d+: (\S+)\s+inet6? (\S+)/;

/** Reads one line of `ip -oneline -tshort monitor address`, printed in the time zone UTC; undefined for any other line. */
export function parseAddressEvent(text: string): AddressEvent | undefined {
  const [, time, deleted, link, address] = line.exec(text) ?? [];
  const cidr = parseCidr(address ?? '');
  if (time === undefined || link === undefined || cidr === undefined) return undefined;
  const [seconds = '', fraction = '0'] = time.split('.');
  const at = Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000;
  return { at, kind: deleted === undefined ? 'put' : 'removed', address: cidr, interface: link };
}

/** Starts to watch; every event after the promise's end is seen. */
export async function watchAddress(host: Host, ip: Ip, clock: Clock): Promise<AddressWatch> {
  const monitor = host.spawn('env', ['TZ=UTC', 'ip', '-oneline', '-tshort', 'monitor', 'address'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const events: AddressEvent[] = [];
  if (monitor.stdout === null) throw new Error('ip monitor has no output');
  createInterface({ input: monitor.stdout }).on('line', (text) => {
    const event = parseAddressEvent(text);
    if (event?.address.ip === ip) events.push(event);
  });
  await until(clock, () => isSubscribed(monitor.pid), {
    within: millis(5000),
    every: millis(2),
    what: `the address watch of ${host.name}`,
  });
  const began = clock.wall().getTime();
  const initially = (await host.addresses()).some((address) => address.ip === ip);
  return {
    host,
    events,
    held: () => (events.at(-1)?.kind ?? (initially ? 'put' : 'removed')) === 'put',
    tenures: (now) => tenuresOf(events, initially ? began : undefined, now),
    removedAt: () => events.findLast((event) => event.kind === 'removed')?.at,
  };
}

/** @param began since when it was there before the first event; undefined when it was not */
export function tenuresOf(events: readonly AddressEvent[], began: number | undefined, now: number): Tenure[] {
  const tenures: Tenure[] = [];
  let from = began;
  for (const { at, kind } of events) {
    if (kind === 'put') from ??= at;
    else if (from !== undefined) {
      tenures.push({ from, to: at });
      from = undefined;
    }
  }
  if (from !== undefined) tenures.push({ from, to: now });
  return tenures;
}

/** The longest time for which two of the hosts had the address at once; 0 when that never happened. */
export function longestOverlap(histories: readonly (readonly Tenure[])[]): Millis {
  const overlaps = histories.flatMap((one, i) =>
    histories
      .slice(i + 1)
      .flatMap((other) => one.flatMap((a) => other.map((b) => Math.min(a.to, b.to) - Math.max(a.from, b.from)))),
  );
  return millis(Math.max(0, ...overlaps));
}

/** Whether the process has a netlink socket that is in a multicast group: /proc/PID/net is that of its own namespace. */
async function isSubscribed(pid: number | undefined): Promise<boolean> {
  const table = await readFile(`/proc/${pid}/net/netlink`, 'utf8').catch(() => '');
  return table.split('\n').some((row) => {
    const [, protocol, portId, groups] = row.trim().split(/\s+/);
    return protocol === '0' && portId === String(pid) && Number.parseInt(groups ?? '0', 16) !== 0;
  });
}
