import { type Instant, type Millis, millis, plus } from '../time/instant.js';

/** When to announce: a burst, its first at once, then every `interval`. */
export interface AnnouncementConfig {
  readonly burst: number;
  readonly interval: Millis;
}

export interface AnnouncementSchedule {
  readonly burstLeft: number;
  readonly nextAt: Instant;
}

const burstSpacing = millis(100);

export function startAnnouncing(config: AnnouncementConfig, now: Instant): AnnouncementSchedule {
  return { burstLeft: config.burst, nextAt: now };
}

/** The schedule after an announcement made at `now`. */
export function announced(
  schedule: AnnouncementSchedule,
  config: AnnouncementConfig,
  now: Instant,
): AnnouncementSchedule {
  const burstLeft = Math.max(0, schedule.burstLeft - 1);
  const spacing = burstLeft > 0 ? Math.min(burstSpacing, config.interval) : config.interval;
  return { burstLeft, nextAt: plus(now, millis(spacing)) };
}
