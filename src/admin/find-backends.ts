import { didYouMean } from '../config/did-you-mean.js';
import { shown } from '../config/kinds.js';
import type { DaemonStatus, VipStatus } from '../vip/status.js';
import type { ControlRefusal, DrainRequest, Refused } from './control.js';

export type Found = { readonly ok: true; readonly vips: readonly VipStatus[] } | Refused;

/** The VIP of that name, or all of them when none is named. */
export function findVips(status: DaemonStatus, name: string | undefined): Found {
  if (name === undefined) return { ok: true, vips: status.vips };
  const vips = status.vips.filter((vip) => vip.name === name);
  if (vips.length > 0) return { ok: true, vips };
  return unknown('unknown-vip', name, 'there is no VIP', 'there', status.vips);
}

/** The VIPs that have the backend; a refusal names the backends that there are. */
export function findBackend(status: DaemonStatus, { backend, vip }: Pick<DrainRequest, 'backend' | 'vip'>): Found {
  const among = findVips(status, vip);
  if (!among.ok) return among;
  const vips = among.vips.filter(({ loadBalancer }) => loadBalancer.backends.some(({ name }) => name === backend));
  if (vips.length > 0) return { ok: true, vips };
  const backends = among.vips.flatMap(({ loadBalancer }) => loadBalancer.backends);
  return vip === undefined
    ? unknown('unknown-backend', backend, 'there is no backend', 'there', backends)
    : unknown('unknown-backend', backend, `the VIP ${vip} has no backend`, 'it has', backends);
}

const mostNames = 20;

function unknown(
  refusal: ControlRefusal,
  name: string,
  sentence: string,
  listing: 'there' | 'it has',
  candidates: readonly { readonly name: string }[],
): Refused {
  const names = [...new Set(candidates.map((candidate) => candidate.name))].sort();
  const listed = names.slice(0, mostNames).join(', ') + (names.length > mostNames ? `, …: ${names.length} in all` : '');
  const verb = listing === 'it has' ? listing : `there ${names.length === 1 ? 'is' : 'are'}`;
  const known = names.length === 0 ? 'there is none' : `${verb} ${listed}`;
  return { ok: false, refusal, problems: [`${sentence} ${shown(name)} (${known})${didYouMean(name, names)}`] };
}
