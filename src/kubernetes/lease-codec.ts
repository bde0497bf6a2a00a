import type { LeaseRecord, ObservedLease } from '../lease/record.js';
import { asObject, identityOf, type JsonObject } from './json.js';

/** LeaseSpec's numbers are int32. */
const largestInt32 = 2 ** 31 - 1;

/**
 * Reads a coordination.k8s.io/v1 Lease. Fields that are absent or null read as client-go reads them: nobody holds it, for 0 s.
 * A number below 0 reads as 0, a time that is no text as absent: neither decides who holds it. A holder that is no text or a number
 * that is no integer says that this is not a Lease: undefined.
 */
export function decodeLease(object: JsonObject): ObservedLease | undefined {
  const identity = identityOf(object);
  const spec = object.spec === undefined || object.spec === null ? {} : asObject(object.spec);
  if (identity === undefined || spec === undefined) return undefined;
  const holderIdentity = spec.holderIdentity ?? '';
  const leaseDurationSeconds = count(spec.leaseDurationSeconds);
  const leaseTransitions = count(spec.leaseTransitions);
  if (typeof holderIdentity !== 'string' || leaseDurationSeconds === undefined || leaseTransitions === undefined) {
    return undefined;
  }
  const acquireTime = text(spec.acquireTime);
  const renewTime = text(spec.renewTime);
  const record = { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions };
  return { record, resourceVersion: identity.resourceVersion, object };
}

/** Annotations by their names. */
export type Annotations = Readonly<Record<string, string>>;

/** A new Lease with this record. */
export function encodeLease(
  namespace: string,
  name: string,
  record: LeaseRecord,
  annotations: Annotations = {},
): JsonObject {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace, name, ...annotated(undefined, annotations) },
    spec: { ...record },
  };
}

/**
 * The observed Lease with another record, these annotations, and everything else as it was. It carries the version that was observed,
 * which makes the server refuse it if someone wrote in between.
 */
export function replaceRecord(observed: ObservedLease, record: LeaseRecord, annotations: Annotations = {}): JsonObject {
  const { object, resourceVersion } = observed;
  const metadata = asObject(object.metadata);
  return {
    ...object,
    // Objects in a list come without these two.
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...metadata, resourceVersion, ...annotated(metadata, annotations) },
    spec: { ...asObject(object.spec), ...record },
  };
}

/** What of the metadata differs by the annotations. */
function annotated(metadata: JsonObject | undefined, annotations: Annotations): JsonObject {
  if (Object.keys(annotations).length === 0) return {};
  return { annotations: { ...asObject(metadata?.annotations), ...annotations } };
}

function count(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'number' || !Number.isInteger(value) || value > largestInt32) return undefined;
  return Math.max(0, value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
