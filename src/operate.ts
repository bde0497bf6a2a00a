import type { ControlAnswer, DrainRequest } from './admin/control.js';
import { findBackend } from './admin/find-backends.js';
import type { VipChange } from './config/changes.js';
import type { VipSettings } from './config/settings.js';
import type { DaemonStatus } from './vip/status.js';
import type { Vip } from './vip-parts.js';

/** Has the backend get no new connections, or get them again, in the VIPs of the request. */
export function drain(vips: readonly Vip[], status: DaemonStatus, request: DrainRequest): ControlAnswer {
  const found = findBackend(status, request);
  if (!found.ok) return found;
  const { backend, draining } = request;
  const changes: string[] = [];
  for (const { name, loadBalancer } of found.vips) {
    const vip = vips.find(({ settings }) => settings.name === name);
    const before = loadBalancer.backends.find((b) => b.name === backend);
    if (vip === undefined || before === undefined || before.drained === draining) continue;
    vip.drain(backend, draining);
    const after = vip.reading().status.loadBalancer.backends.find((b) => b.name === backend);
    const words = [`${name}: ${backend}: ${before.state} → ${after?.state}`];
    if (draining && after?.state === 'down') words.push('drained once it is up');
    changes.push(words.join(', '));
  }
  return { ok: true, changes };
}

/** Brings the VIPs to their new settings, all of them or none: what one of them refuses is thrown, and the others are as before. */
export async function applyChanges(vips: readonly Vip[], changes: readonly VipChange[]): Promise<void> {
  const done: { readonly vip: Vip; readonly before: VipSettings }[] = [];
  for (const { name, settings } of changes) {
    const vip = vips.find((v) => v.settings.name === name);
    if (vip === undefined) continue;
    const before = vip.settings;
    done.push({ vip, before });
    try {
      await vip.change(settings);
    } catch (error) {
      // What had been possible before is so again; should that fail, the VIP's status says so.
      for (const { vip, before } of done.reverse()) await vip.change(before).catch(() => {});
      throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}
