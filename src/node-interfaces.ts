import { readInterfaceSelector, Wrong } from './config/kinds.js';
import type { InterfaceSelector, Settings } from './config/settings.js';
import { type Annotations, annotatedInterface } from './nodes/annotations.js';
import type { Log } from './telemetry/log.js';

/** Whether there is an API to ask about this node. */
export function hasApi({ vips }: Settings): boolean {
  return vips.some(({ election, loadBalancer }) => election.type === 'lease' || takesNodes(loadBalancer));
}

function takesNodes({ mode, backends }: Settings['vips'][number]['loadBalancer']): boolean {
  return mode !== 'off' && backends.from === 'nodes';
}

/** The interfaces that the Node names for VIPs, by the VIP's name. What cannot be one is told of and counts for nothing. */
export function interfacesOf(
  annotations: Annotations,
  vips: Settings['vips'],
  log: Log,
): ReadonlyMap<string, InterfaceSelector> {
  const chosen = new Map<string, InterfaceSelector>();
  for (const { name } of vips) {
    const text = annotatedInterface(annotations, name);
    const selector = text === undefined ? undefined : readInterfaceSelector(text);
    if (selector instanceof Wrong)
      log.warn('the annotation of this node is ignored', { vip: name, because: selector.message });
    else if (selector !== undefined) chosen.set(name, selector);
  }
  return chosen;
}
