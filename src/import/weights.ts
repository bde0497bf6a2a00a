import type { Found, Remarks } from './found.js';
import type { Server } from './service.js';

/** vipd drains by command alone: carried over, the server would get connections with every start of the daemon. */
export const noWeight =
  'its weight is 0, so that it is to be drained; write it into loadBalancer.backends.servers, then run vipd backend drain';

/** What vipd has; others have more. */
const heaviest = 256;

/** The servers with weights that vipd has: those of the file, or the nearest to them that are to each other as those are. */
export function fitWeights(servers: readonly Found<Server>[], remarks: Remarks): readonly Found<Server>[] {
  const largest = Math.max(...servers.map(({ value }) => value.weight));
  if (servers.length === 0 || largest <= heaviest) return servers;
  const common = servers.reduce((divisor, { value }) => commonDivisor(value.weight, divisor), 0);
  const unit = Math.max(common, largest / heaviest);
  return servers.map(({ value, place }) => {
    const weight = Math.max(1, Math.round(value.weight / unit));
    const sentence = `it becomes ${weight}, because the largest weight of vipd is ${heaviest}`;
    remarks.note(place, ['server', value.name, 'weight', String(value.weight)], sentence);
    return { value: { ...value, weight }, place };
  });
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
