import type { Refused } from '../kubernetes/refusal.js';
import type { Millis } from '../time/instant.js';

export type Annotations = Readonly<Record<string, string>>;

/** The annotations of one Node; a Node that is not there has none. */
export interface NodeAnnotationsApi {
  read(timeout: Millis): Promise<{ readonly ok: true; readonly annotations: Annotations } | Refused>;
}

/** What the Node says of a VIP's interface: `vipd.io/interface.NAME` for the VIP of that name, `vipd.io/interface` for all others. */
export function annotatedInterface(annotations: Annotations, vip: string): string | undefined {
  return annotations[`${interfaceAnnotation}.${vip}`] ?? annotations[interfaceAnnotation];
}

const interfaceAnnotation = 'vipd.io/interface';
