import type { Instant } from '../time/instant.js';
import type { Election } from './election.js';

/** Election `none`: this node always holds the VIP, except when it cannot serve it. For a single host, and for tests. */
export function createAlways(node: string): Election {
  let able = true;
  let stopping = false;
  let addressOn = false;
  let ceded = false;
  let changed: () => void = () => {};
  let onOff: () => void = () => {};
  return {
    start(onChange) {
      changed = onChange;
    },
    leadership() {
      if (stopping || !able) {
        return {
          role: 'follower',
          leader: undefined,
          because: stopping ? 'stopping' : 'unable',
          authority: { kind: 'none' },
        };
      }
      const until = Number.POSITIVE_INFINITY as Instant;
      return {
        role: 'leader',
        leader: node,
        because: 'no-election',
        authority: { kind: 'proven', until, thenHeld: true },
      };
    },
    claimed() {},
    unclaimed() {},
    able(now) {
      able = now;
      changed();
    },
    address(on) {
      addressOn = on;
      if (!on) onOff();
    },
    async cede() {
      ceded = true;
      return able && !stopping ? { until: Number.MAX_SAFE_INTEGER as Instant } : undefined;
    },
    async stop() {
      if (ceded) return;
      stopping = true;
      const off = new Promise<void>((resolve) => {
        onOff = resolve;
      });
      changed();
      if (addressOn) await off;
    },
  };
}
