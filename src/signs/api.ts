import type { ApiRefusal } from '../kubernetes/refusal.js';
import type { Millis } from '../time/instant.js';

export type Refusal = { readonly ok: false; readonly refusal: ApiRefusal; readonly detail: string };

/** Labels by their names; null: it is not there, or is to go. */
export type Labels = Readonly<Record<string, string | null>>;

/** The labels of one Node in the Kubernetes API. Nothing here throws for what the API or the network does. */
export interface NodeLabelApi {
  /** Sets and removes these and leaves all others; the answer is every label that the Node then has. */
  patch(
    labels: Labels,
    timeout: Millis,
  ): Promise<{ readonly ok: true; readonly labels: Readonly<Record<string, string>> } | Refusal>;
}

/** What an Event is about. */
export interface LeaseReference {
  readonly namespace: string;
  readonly name: string;
  /** Undefined when this node does not know the Lease. */
  readonly uid: string | undefined;
}

/** A Kubernetes Event that tells of a change of leadership. */
export interface LeadershipEvent {
  /** In its namespace the only one of this name: a second attempt does not tell it twice. */
  readonly name: string;
  readonly regarding: LeaseReference;
  readonly type: 'Normal' | 'Warning';
  /** One word for machines. */
  readonly reason: 'VipTaken' | 'VipGivenUp';
  readonly message: string;
  readonly node: string;
  readonly at: Date;
}

export interface EventApi {
  /** What is there already is no refusal. */
  create(event: LeadershipEvent, timeout: Millis): Promise<{ readonly ok: true } | Refusal>;
}
