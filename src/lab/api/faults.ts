import type { Millis } from '../../time/instant.js';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** How the embedded API misbehaves, for tests and for the lab: change it at any time. */
export interface ApiFaults {
  /** Requests wait this long before anything is done about them: all, or those with these verbs. */
  delay: { readonly by: Millis; readonly verbs?: readonly Verb[] } | undefined;
  /** Every request is answered with 500. */
  failing: boolean;
  /** New watches are answered with 503. */
  watchesRefused: boolean;
  /** Breaks every watch off in the middle. */
  cutWatches(): void;
  /** No request is answered and no watch says anything until the result is disposed. Connections are still taken. */
  freeze(): Disposable;
}

/** What the server asks of the faults. */
export interface FaultGate {
  readonly faults: ApiFaults;
  /** Runs the action at once, or in order once nothing is frozen. */
  whenThawed(action: () => void): void;
  /** Registers what `cutWatches` does to one watch. */
  onCut(cut: () => void): Disposable;
}

export function createFaultGate(): FaultGate {
  const cuts = new Set<() => void>();
  let waiting: (() => void)[] = [];
  let freezes = 0;
  return {
    faults: {
      delay: undefined,
      failing: false,
      watchesRefused: false,
      cutWatches() {
        for (const cut of [...cuts]) cut();
      },
      freeze() {
        freezes++;
        let frozen = true;
        return {
          [Symbol.dispose]() {
            if (frozen) freezes--;
            frozen = false;
            if (freezes > 0) return;
            const actions = waiting;
            waiting = [];
            for (const action of actions) action();
          },
        };
      },
    },
    whenThawed(action) {
      if (freezes > 0) waiting.push(action);
      else action();
    },
    onCut(cut) {
      cuts.add(cut);
      return { [Symbol.dispose]: () => cuts.delete(cut) };
    },
  };
}
