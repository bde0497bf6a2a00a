import type { VrrpState } from './state.js';

/** What keepalived's notify scripts are told. */
export type NotifiedState = 'MASTER' | 'BACKUP' | 'FAULT' | 'STOP';

/**
 * The state to tell of; undefined while nothing has been decided, or what was decided is not done yet.
 * @param serves whether the VIP is on this node, announced, and balanced
 */
export function notifiedState(
  { role, fault, stopping, stopped }: VrrpState,
  serves: boolean,
): NotifiedState | undefined {
  // Replaced, without a word to stop: the process that goes on tells what there is to tell.
  if (stopped) return stopping === undefined ? undefined : 'STOP';
  switch (role.kind) {
    case 'master':
      return serves ? 'MASTER' : undefined;
    case 'backup':
      return stopping === undefined ? 'BACKUP' : undefined;
    case 'resigning':
      return undefined;
    case 'initialize':
      return stopping !== undefined || fault === 'starting' || fault === 'tracking-unknown' ? undefined : 'FAULT';
  }
}

/** The arguments that keepalived gives to its `notify` script, after those of its own. */
export function notifyArguments(vip: string, state: NotifiedState, priority: number): readonly string[] {
  return ['INSTANCE', vip, state, String(priority)];
}
