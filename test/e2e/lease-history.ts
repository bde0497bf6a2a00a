import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { decodeLease } from '../../src/kubernetes/lease-codec.js';
import type { Tenure } from '../../src/lab/address-watch.js';
import type { Host } from '../../src/lab/network.js';
import type { LeaseRecord } from '../../src/lease/record.js';
import { until } from '../netns/poll.js';

/** Everything that was written into the Lease since the watch began, as the API told it. */
export interface LeaseHistory {
  readonly records: readonly LeaseRecord[];
  /** An empty string when nobody holds it, or there is none. */
  holder(): string;
}

/** @param server `https://host:port` */
export async function watchLease(host: Host, server: string, token: string): Promise<LeaseHistory> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
  const url = `${server}${path}?watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name=plndr-cp-lock`;
  const watch = host.spawn('curl', ['-skN', '-D', '-', '-H', `Authorization: Bearer ${token}`, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const records: LeaseRecord[] = [];
  let isWatching = false;
  createInterface({ input: watch.stdout as Readable }).on('line', (line) => {
    if (line.startsWith('HTTP/')) isWatching = line.includes(' 200');
    if (!line.startsWith('{')) return;
    const { type, object } = JSON.parse(line);
    const lease = type === 'BOOKMARK' ? undefined : decodeLease(object);
    if (lease !== undefined) records.push(lease.record);
  });
  await until(() => isWatching, { what: 'the watch of the Lease' });
  return { records, holder: () => records.at(-1)?.holderIdentity ?? '' };
}

/** Milliseconds since 1970, with the microseconds behind the point. */
export function renewedAt({ renewTime = '' }: LeaseRecord): number {
  const [, seconds = '', fraction = '0'] = /^(.*?)(\.\d+)?Z$/.exec(renewTime) ?? [];
  return Date.parse(`${seconds}Z`) + Number(fraction) * 1000;
}

export function expiryOf(record: LeaseRecord): number {
  return renewedAt(record) + record.leaseDurationSeconds * 1000;
}

/** Whatever client-go's rules do not allow from one record to the next: nothing, if all contenders keep them. */
export function breachesOf(records: readonly LeaseRecord[]): readonly string[] {
  return records.slice(1).flatMap((is, i) => {
    const was = records[i] as LeaseRecord;
    const breaches: string[] = [];
    const taken = is.holderIdentity !== was.holderIdentity && is.holderIdentity !== '';
    if (is.leaseTransitions !== was.leaseTransitions + (taken ? 1 : 0)) breaches.push('leaseTransitions');
    if (renewedAt(is) < renewedAt(was)) breaches.push('renewTime');
    if ((is.holderIdentity === was.holderIdentity) !== (is.acquireTime === was.acquireTime))
      breaches.push('acquireTime');
    if (taken && is.acquireTime !== is.renewTime) breaches.push('acquireTime');
    if (taken && was.holderIdentity !== '' && renewedAt(is) < expiryOf(was)) breaches.push('taken before it expired');
    if (is.holderIdentity === '' && is.leaseDurationSeconds !== 1) breaches.push('leaseDurationSeconds');
    return breaches.map((breach) => `${breach}: ${JSON.stringify(was)} then ${JSON.stringify(is)}`);
  });
}

/**
 * When one of these held the Lease: from its write (client-go stamps it before it looks, so not before the last holder's release) to
 * its release or expiry, or `now`.
 */
export function heldBy(records: readonly LeaseRecord[], isOne: (holder: string) => boolean, now: number): Tenure[] {
  const tenures: Tenure[] = [];
  for (const [i, record] of records.entries()) {
    if (!isOne(record.holderIdentity)) continue;
    const before = records[i - 1];
    const after = records[i + 1];
    const from = before === undefined ? renewedAt(record) : Math.max(renewedAt(record), renewedAt(before));
    tenures.push({ from, to: Math.min(expiryOf(record), after === undefined ? now : renewedAt(after)) });
  }
  return tenures;
}
