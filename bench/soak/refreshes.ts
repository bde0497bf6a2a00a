import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAddressEvent } from '../../src/lab/address-watch.js';
import type { Namespace } from '../../src/lab/network.js';
import { median } from '../figures.js';

/** What the kernel told of one address that the daemon keeps alive. Milliseconds. */
export interface Refreshes {
  readonly address: string;
  readonly count: number;
  /** From one to the next. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** What the kernel was told to give it each time. */
  readonly lifetime: number;
  /** The shortest that was left when the next came. */
  readonly left: number;
  readonly removed: number;
}

/** Watches every address of a namespace that has a lifetime, by rtnetlink's notifications, until `end` is called. */
export async function watchRefreshes(namespace: Namespace): Promise<{ end(): Promise<readonly Refreshes[]> }> {
  const seen = new Map<string, { at: number[]; lifetime: number; removed: number }>();
  // Before all others, so that it is the daemon's lateness that is seen and not the watch's.
  const words = ['-n', '-20', 'env', 'TZ=UTC', 'ip', '-oneline', '-tshort', 'monitor', 'address'];
  const monitor = namespace.spawn('nice', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (monitor.stdout === null) throw new Error('ip monitor has no output');
  createInterface({ input: monitor.stdout }).on('line', (text) => {
    const event = parseAddressEvent(text);
    const lifetime = Number(/valid_lft (\d+)sec/.exec(text)?.[1]);
    if (event === undefined) return;
    const known = seen.get(event.address.ip);
    const one = known ?? { at: [], lifetime: lifetime * 1000, removed: 0 };
    if (event.kind === 'removed') one.removed++;
    else if (known === undefined && Number.isNaN(lifetime)) return;
    else one.at.push(event.at);
    seen.set(event.address.ip, one);
  });
  await sleep(500);
  return {
    async end() {
      monitor.kill();
      return [...seen].map(([address, { at, lifetime, removed }]) => {
        const gaps = at
          .slice(1)
          .map((time, i) => time - (at[i] ?? Number.NaN))
          .sort((a, b) => a - b);
        const longest = gaps.at(-1) ?? Number.POSITIVE_INFINITY;
        const p99 = gaps[Math.floor(0.99 * gaps.length)] ?? longest;
        return {
          address,
          count: at.length,
          p50: median(gaps),
          p99,
          longest,
          lifetime,
          left: lifetime - longest,
          removed,
        };
      });
    },
  };
}
