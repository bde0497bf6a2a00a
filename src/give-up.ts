import type { Log } from './telemetry/log.js';
import type { Clock } from './time/clock.js';
import { millis, plus } from './time/instant.js';
import type { Vip } from './vip-parts.js';

/**
 * An orderly stop waits for the API twice as long as one request may take by default, or for a VRRP backup to relieve this node and
 * the operator's programs to hear of it, and a little.
 */
const stopPatience = millis(14_000);

/** Gives the VIPs up and away; whatever the kernel or the API refuse, it ends. */
export async function giveUp(vips: readonly Vip[], clock: Clock, log: Log): Promise<void> {
  let timer: Disposable | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = clock.at(plus(clock.now(), stopPatience), () => resolve('late'));
  });
  const end = await Promise.race([Promise.all(vips.map((vip) => vip.stop())), late]);
  timer?.[Symbol.dispose]();
  if (end === 'late') log.error('not all VIPs could be given up in order; the kernel removes what is left');
}
