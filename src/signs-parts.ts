import type { Settings, VipSettings } from './config/settings.js';
import type { KubernetesClient } from './kubernetes/client.js';
import { createEventApi } from './kubernetes/event-api.js';
import { createNodeLabelApi } from './kubernetes/node-label-api.js';
import type { LeaseReference } from './signs/api.js';
import { createEventRecorder } from './signs/event-recorder.js';
import { createNodeLabels } from './signs/node-labels.js';
import type { Log } from './telemetry/log.js';
import type { Clock } from './time/clock.js';

/** What the cluster is shown of the VIPs beside the Lease: labels of the node, Events. No VIP ever waits for it. */
export interface Signs extends Disposable {
  start(): void;
  /** The VIP is on this node, announced and balanced, or is so no more. @param lease undefined when no Lease elects */
  serves(vip: VipSettings, serves: boolean, because: string, lease: LeaseReference | undefined): void;
  /** Resolves when the cluster has been told all, or when that takes too long. */
  told(): Promise<void>;
  /** For a dump. */
  view(): unknown;
}

export function createSigns(
  { node, kubernetes, vips }: Settings,
  parts: { readonly client: () => KubernetesClient; readonly clock: Clock; readonly log: Log },
): Signs {
  const { client, clock, log } = parts;
  const served = new Set<string>();
  const names = vips.map(({ name }) => name);
  const isElected = vips.some(({ election }) => election.type === 'lease');
  const labels = kubernetes.nodeLabel
    ? createNodeLabels({ api: createNodeLabelApi(client(), node.name), vips: names, clock, log })
    : undefined;
  const events =
    kubernetes.events && isElected
      ? createEventRecorder({ node: node.name, api: createEventApi(client()), clock, log })
      : undefined;
  return {
    start: () => labels?.start(),
    serves(vip, serves, because, lease) {
      if (served.has(vip.name) === serves) return;
      if (serves) served.add(vip.name);
      else served.delete(vip.name);
      const ips = (settings: VipSettings) => settings.addresses.map(({ ip }) => ip);
      // In the order of the settings, whichever came first.
      const held = vips.filter(({ name }) => served.has(name));
      labels?.held(held.map((each) => ({ name: each.name, ips: ips(each) })));
      if (lease !== undefined) events?.record({ vip: { name: vip.name, ips: ips(vip) }, serves, because }, lease);
    },
    async told() {
      await Promise.all([labels?.settled(), events?.told()]);
    },
    view: () => ({ labels: labels?.view(), events: events?.view() }),
    [Symbol.dispose]() {
      labels?.[Symbol.dispose]();
      events?.[Symbol.dispose]();
    },
  };
}
