import type { Log } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { type Instant, millis, plus } from '../time/instant.js';
import type { Unheard, VrrpRefusal } from './reception.js';

/** A reason is logged when it is new, and then once in so long. */
const logInterval = millis(60_000);
/** After the last refusal the alarm stays so long: two of the longest intervals of v2 that anybody uses. */
const alarmLasts = millis(10_000);
/** Peers that are told apart; a flood from made-up addresses is one peer more. */
const peersRemembered = 16;

interface Refused {
  readonly reason: VrrpRefusal;
  readonly unheard: Unheard;
  count: number;
  /** Of those, how many the log does not know of. */
  unlogged: number;
  loggedAt: Instant;
  seenAt: Instant;
}

/** Remembers which peers' advertisements are refused, and why: a peer that is refused does not yield, nor is it yielded to. */
export function createRefusals({ clock, log }: { readonly clock: Clock; readonly log: Log }): {
  add(reason: VrrpRefusal, unheard: Unheard): void;
  alarm(): string | undefined;
} {
  const peers = new Map<string, Refused>();

  return {
    add(reason, unheard) {
      const now = clock.now();
      const known = [`${reason} ${unheard.source}`, `${reason} others`].find((key) => peers.has(key));
      const key = known ?? (peers.size < peersRemembered ? `${reason} ${unheard.source}` : `${reason} others`);
      const refused = peers.get(key) ?? { reason, unheard, count: 0, unlogged: 0, loggedAt: now, seenAt: now };
      const isNew = refused.count === 0;
      peers.set(key, refused);
      refused.count++;
      refused.unlogged++;
      refused.seenAt = now;
      if (!isNew && now < plus(refused.loggedAt, logInterval)) return;
      log.warn('advertisement refused', {
        because: reason,
        from: unheard.source,
        detail: unheard.detail,
        count: refused.unlogged,
      });
      refused.unlogged = 0;
      refused.loggedAt = now;
    },
    alarm() {
      const now = clock.now();
      const [latest] = [...peers.values()]
        .filter(({ seenAt }) => now <= plus(seenAt, alarmLasts))
        .sort((a, b) => b.seenAt - a.seenAt);
      if (latest === undefined) return undefined;
      const { reason, unheard, count } = latest;
      const who = unheard.source === undefined ? '' : `${unheard.source}: `;
      return `a peer on this VRID is being refused: ${reason} (${who}${unheard.detail}, ${count} so far)`;
    },
  };
}
