/**
 * What a coordination.k8s.io/v1 Lease says, with the absent fields made plain (client-go, resourcelock.LeaderElectionRecord).
 * Times are RFC 3339 with microseconds (metav1.MicroTime); they are shown, never compared with this machine's clock.
 */
export interface LeaseRecord {
  /** Empty when nobody holds it. */
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number;
  readonly acquireTime: string | undefined;
  readonly renewTime: string | undefined;
  readonly leaseTransitions: number;
}

/** A Lease as read from the API: its record, the version for optimistic locking, and the object it came in. */
export interface ObservedLease {
  readonly record: LeaseRecord;
  readonly resourceVersion: string;
  /** The whole object: what others wrote into it (labels, annotations, fields of newer versions) is written back. */
  readonly object: Readonly<Record<string, unknown>>;
}

/** metav1.MicroTime: RFC 3339 in UTC with six decimals. */
export function microTime(date: Date): string {
  return date.toISOString().replace(/(\.\d{3})Z$/, '$1000Z');
}

/** client-go's release: nobody holds it, it lasts one second, the transitions are kept. */
export function releasedRecord(record: LeaseRecord, wall: Date): LeaseRecord {
  const time = microTime(wall);
  return {
    holderIdentity: '',
    leaseDurationSeconds: 1,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: record.leaseTransitions,
  };
}

/** The record that takes the Lease, or keeps it: a holder that stays keeps its acquireTime and transitions (client-go). */
export function heldRecord(
  previous: LeaseRecord | undefined,
  identity: string,
  leaseDurationSeconds: number,
  wall: Date,
): LeaseRecord {
  const renewTime = microTime(wall);
  if (previous?.holderIdentity === identity) {
    return { ...previous, leaseDurationSeconds, renewTime, acquireTime: previous.acquireTime ?? renewTime };
  }
  // An int32 in the API: one that is full stays full rather than make the Lease unwritable.
  const leaseTransitions = previous === undefined ? 0 : Math.min(previous.leaseTransitions + 1, 2 ** 31 - 1);
  return { holderIdentity: identity, leaseDurationSeconds, acquireTime: renewTime, renewTime, leaseTransitions };
}

export function sameRecord(a: LeaseRecord, b: LeaseRecord): boolean {
  return (
    a.holderIdentity === b.holderIdentity &&
    a.leaseDurationSeconds === b.leaseDurationSeconds &&
    a.acquireTime === b.acquireTime &&
    a.renewTime === b.renewTime &&
    a.leaseTransitions === b.leaseTransitions
  );
}

/** Whether version `a` is after `b`. Versions that are not numbers cannot be ordered: then a different one counts as newer. */
export function isNewer(a: Versioned, b: Versioned): boolean {
  const numeric = /^\d{1,20}$/;
  if (numeric.test(a.resourceVersion) && numeric.test(b.resourceVersion)) {
    return BigInt(a.resourceVersion) > BigInt(b.resourceVersion);
  }
  return a.resourceVersion !== b.resourceVersion;
}

type Versioned = Pick<ObservedLease, 'resourceVersion'>;
