import { KernelError } from '../../src/kernel/errors.js';
import type { Supervisor } from '../../src/kernel/ports.js';

export interface FakeSupervisor extends Supervisor {
  /** What it was told, its lines joined by a space. Reading empties it. */
  heard(): readonly string[];
  /** It takes nothing until it listens again. */
  deaf: boolean;
}

export function createFakeSupervisor(): FakeSupervisor {
  let messages: string[] = [];
  return {
    deaf: false,
    tell(assignments) {
      if (this.deaf) throw new KernelError('send on /run/systemd/notify', 'ECONNREFUSED');
      messages.push(assignments.join(' '));
    },
    heard() {
      const heard = messages;
      messages = [];
      return heard;
    },
  };
}
