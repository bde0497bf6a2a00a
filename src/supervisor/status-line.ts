import type { DaemonStatus, VipStatus } from '../vip/status.js';

/** Who leads each VIP, in one line for people: `web: led here, on eth0; api: led by lb2`. */
export function statusLine({ vips }: Pick<DaemonStatus, 'vips'>): string {
  return oneLine(vips.map((vip) => `${vip.name}: ${standing(vip)}`).join('; '));
}

function standing(vip: VipStatus): string {
  if (vip.role === 'fault') return `fault, ${vip.because}`;
  if (vip.role === 'leader') return vip.held ? `led here, on ${vip.interface}` : `led here, ${vip.because}`;
  return vip.leader === undefined ? `no leader known, ${vip.because}` : `led by ${vip.leader}`;
}

/** Names come from other hosts, and a line of their own in the message would be an order to the supervisor. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
