/** What the runs of a tracked script have shown. */
export interface ScriptState {
  /** Undefined before the first run has ended. */
  readonly ok: boolean | undefined;
  /** Runs in a row that contradict `ok`. */
  readonly against: number;
}

export const untried: ScriptState = { ok: undefined, against: 0 };

/**
 * A run has ended. The first one decides alone; later, `fall` failures in a row turn it bad and `rise` successes in a row good again
 * (vrrp_script_child_thread() of keepalived).
 */
export function runEnded(state: ScriptState, { rise, fall }: { rise: number; fall: number }, ok: boolean): ScriptState {
  if (state.ok === undefined || state.ok === ok) return { ok, against: 0 };
  const against = state.against + 1;
  return against >= (ok ? rise : fall) ? { ok, against: 0 } : { ...state, against };
}
