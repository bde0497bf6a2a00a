import { findChanges, type VipChange } from '../config/changes.js';
import type { Loaded, LoadedSettings } from '../config/load.js';
import type { Settings } from '../config/settings.js';
import type { LeveledLog } from '../telemetry/log.js';
import type { ControlAnswer } from './control.js';

/** The settings in force, and how to read them anew from where they came from. */
export interface Configuration {
  readonly loaded: LoadedSettings;
  /** The same flags and environment, the file read again. Never rejects. */
  reread(): Promise<Loaded>;
}

export interface ReloadOptions {
  readonly configuration: Configuration;
  /**
   * Brings the VIPs to their new settings. What it throws is told to the operator; the settings then count as not applied, and the
   * next reload hands over the same changes again.
   */
  readonly apply: (vips: readonly VipChange[]) => Promise<void>;
  /** The settings in force are these from now on. */
  readonly onApplied?: (settings: Settings) => void;
  readonly log: LeveledLog;
}

/**
 * Makes `Control.reload`. Reloads come one after another; those that are asked for while one waits for its turn are that one. The
 * outcome is one line in the log.
 */
export function createReload({ configuration, apply, onApplied, log }: ReloadOptions): () => Promise<ControlAnswer> {
  let inForce = configuration.loaded;
  let last: Promise<unknown> = Promise.resolve();
  let waiting: Promise<ControlAnswer> | undefined;

  async function reloadNow(): Promise<ControlAnswer> {
    const loaded = await configuration.reread();
    if (!loaded.ok) return { ok: false, refusal: 'invalid', problems: loaded.problems };
    const changes = findChanges(inForce, loaded);
    if (!changes.ok) return { ok: false, refusal: 'needs-restart', problems: changes.problems };
    try {
      if (changes.vips.length > 0) await apply(changes.vips);
    } catch (error) {
      return { ok: false, refusal: 'failed', problems: [error instanceof Error ? error.message : String(error)] };
    }
    inForce = loaded;
    onApplied?.(loaded.settings);
    if (changes.logLevel !== undefined) log.setLevel(changes.logLevel);
    return { ok: true, changes: changes.lines };
  }

  async function reloadInTurn(): Promise<ControlAnswer> {
    waiting = undefined;
    const answer = await reloadNow();
    if (answer.ok) log.info('reloaded', { changes: answer.changes });
    else log.error('not reloaded', { because: answer.refusal, problems: answer.problems });
    return answer;
  }

  return () => {
    waiting ??= last.then(reloadInTurn);
    last = waiting;
    return waiting;
  };
}
