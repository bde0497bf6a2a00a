import { readsItsNode } from './config/api-use.js';
import { readInterfaceSelector, Wrong } from './config/kinds.js';
import type { InterfaceSelector, Settings } from './config/settings.js';
import type { KubernetesClient } from './kubernetes/client.js';
import { createNodeAnnotationsApi } from './kubernetes/node-api.js';
import { type Annotations, annotatedInterface } from './nodes/annotations.js';
import { readAnnotations } from './nodes/annotations-driver.js';
import type { Log } from './telemetry/log.js';
import type { Clock } from './time/clock.js';
import { millis } from './time/instant.js';

/** How long a start waits for the annotations; the VIPs come up without them too. */
const patience = millis(1000);

/**
 * Tells of the interfaces that the annotations of this node name for VIPs, where there is an API to ask. Resolves when it has answered, or
 * has had its time: then they are told of later.
 */
export async function readNodeInterfaces(
  settings: Settings,
  parts: {
    readonly kubernetes: () => KubernetesClient;
    readonly clock: Clock;
    readonly log: Log;
    readonly onInterface: (vip: string, selector: InterfaceSelector) => void;
  },
): Promise<Disposable> {
  const { kubernetes, clock, log, onInterface } = parts;
  if (!readsItsNode(settings)) return { [Symbol.dispose]() {} };
  const reading = readAnnotations({
    api: createNodeAnnotationsApi(kubernetes(), settings.node.name),
    timeout: patience,
    ...{ clock, log },
    onAnswer(annotations) {
      for (const [vip, selector] of interfacesOf(annotations, settings.vips, log)) {
        log.info("this node's annotation names the interface", { vip, interface: String(selector) });
        onInterface(vip, selector);
      }
    },
  });
  await reading.tried;
  return reading;
}

/** By the VIP's name. What cannot be one is told of and counts for nothing. */
function interfacesOf(
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
