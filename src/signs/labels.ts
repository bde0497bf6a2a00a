import { familyOf, type Ip, ipBytes } from '../net/ip.js';
import type { Labels } from './api.js';

/** kube-vip's own name: one VIP's address, so that its users' selectors go on to work. */
export const kubeVipLabel = 'kube-vip.io/has-ip';
/** Each VIP has a label below it: a node can have several. */
const prefix = 'vip.vipd/';

/** A VIP that is on this node. */
export interface HeldVip {
  readonly name: string;
  /** The first of them is shown. */
  readonly ips: readonly Ip[];
}

/** The labels that this node is to have: one for each VIP, and kube-vip's for the first of them. */
export function wantedLabels(held: readonly HeldVip[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const { name, ips } of held) {
    const [ip] = ips;
    if (ip === undefined) continue;
    labels[kubeVipLabel] ??= labelValue(ip);
    labels[prefix + name] = labelValue(ip);
  }
  return labels;
}

/**
 * What to send: what is wanted, and null for what is not. kube-vip's label and those that the Node was last seen to have under our
 * prefix are ours, whoever set them: an earlier life may have had other VIPs.
 */
export function patchFor(
  wanted: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
  vips: readonly string[],
): Labels {
  const ours = [kubeVipLabel, ...vips.map((name) => prefix + name), ...Object.keys(found).filter(isOurs)];
  return { ...Object.fromEntries(ours.map((name) => [name, null])), ...wanted };
}

/** Whether the Node has all that is wanted and nothing of ours beside. */
export function isSo(wanted: Readonly<Record<string, string>>, found: Readonly<Record<string, string>>): boolean {
  const ours = Object.keys(found).filter(isOurs);
  return ours.every((name) => name in wanted) && Object.entries(wanted).every(([name, value]) => found[name] === value);
}

function isOurs(name: string): boolean {
  return name === kubeVipLabel || name.startsWith(prefix);
}

/** As kube-vip writes it: an IPv4 address as it is; an IPv6 one, whose colons no label may have, as its 32 hexadecimal digits. */
export function labelValue(ip: Ip): string {
  return familyOf(ip) === 4 ? ip : [...ipBytes(ip)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
