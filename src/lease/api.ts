import type { ApiRefusal } from '../kubernetes/refusal.js';
import type { Millis } from '../time/instant.js';
import type { LeaseRecord, ObservedLease } from './record.js';

export type LeaseAnswer =
  | { readonly ok: true; readonly lease: ObservedLease }
  | { readonly ok: false; readonly refusal: ApiRefusal; readonly detail: string };

export type LeaseWatchEvent =
  | { readonly kind: 'observed'; readonly lease: ObservedLease }
  /** There is none; the version tells from which moment that is. */
  | { readonly kind: 'absent'; readonly resourceVersion: string }
  /** The watch broke; it is taken up again by itself. */
  | { readonly kind: 'interrupted'; readonly refusal: ApiRefusal; readonly detail: string };

/** One Lease object in the Kubernetes API. Nothing here throws for what the API or the network does. */
export interface LeaseApi {
  read(timeout: Millis): Promise<LeaseAnswer>;
  create(record: LeaseRecord, timeout: Millis): Promise<LeaseAnswer>;
  /** Replaces `observed` by `record` if nobody wrote in between; all else in the object is kept. */
  update(observed: ObservedLease, record: LeaseRecord, timeout: Millis): Promise<LeaseAnswer>;
  /** Reports the Lease as it is now and at every change, until disposed; reconnects and resynchronises by itself. */
  watch(onEvent: (event: LeaseWatchEvent) => void): Disposable;
}
